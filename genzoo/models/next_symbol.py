"""Draw texts one symbol after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

_PAUSE = 8
"""Number of symbols after which a device is asked whether all texts have ended; each question waits for it."""


def draw_symbols(logits: Tensor, *, temperature: float = 1.0, top_p: float = 1.0, top_k: int = 0) -> Tensor:
    """Draw one symbol for each text, `(n,)` int64.

    Arguments:
        logits: unnormalized log-probabilities, `(n, K)`; minus infinity for what is never drawn.
        temperature: divides the logits. Defaults to 1.
        top_p: smallest share of the probability that the kept symbols have together; the most probable ones are kept.
            Defaults to 1: all.
        top_k: number of most probable symbols that are kept. Defaults to 0: all.
    """
    logits = logits.double()
    # The largest becomes 0, so that dividing by a tiny temperature gives no infinite difference of infinities.
    logits = (logits - logits.amax(1, keepdim=True)) / temperature
    if 0 < top_k < logits.shape[1]:
        least = logits.topk(top_k, dim=1).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if top_p < 1:
        ordered, places = logits.sort(dim=1, descending=True)
        shares = ordered.softmax(1)
        beyond = shares.cumsum(1) - shares >= top_p  # what the more probable ones reach alone
        logits = logits.masked_fill(torch.zeros_like(beyond).scatter(1, places, beyond), -torch.inf)
    return torch.multinomial(logits.softmax(1), 1)[:, 0]


def collect_symbols(
    drawn: Iterator[Tensor],
    prompt: Tensor,
    *,
    end: int,
    longest: int,
    wanted: int | None = None,
    watch: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """Collect drawn symbols until the texts have ended, or are as long as the longest.

    Arguments:
        drawn: the next symbol of each text, `(n,)` int64, one place after the other, as `Autoregressive.generate`.
        prompt: what the texts begin with, `(n, P)` int64.
        end: code of the end.
        longest: number of symbols of the longest text.
        wanted: number of texts that must have ended, the first ones. Defaults to all.
        watch: takes the codes of the first text, `(1, L)`, after each symbol of it. Defaults to none.

    Returns:
        The texts with their prompts, `(n, L)` int64, with `end` after the end of each.
    """
    codes, pause = [prompt], 1 if prompt.device.type == "cpu" else _PAUSE
    ended = torch.zeros(len(prompt), dtype=torch.bool, device=prompt.device)
    for length in range(prompt.shape[1] + 1, longest + 1):
        symbols = next(drawn).masked_fill(ended, end)
        codes.append(symbols[:, None])
        if watch is not None and not ended[0]:
            watch(torch.cat([block[:1] for block in codes], 1))
        ended = ended | (symbols == end)
        place = length - prompt.shape[1]
        if length == longest or (place % pause == 0 and not ended.is_meta and bool(ended[:wanted].all())):
            break
    return torch.cat(codes, 1)
