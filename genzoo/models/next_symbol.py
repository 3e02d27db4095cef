"""Draw the next symbol of a text from the logits of all."""

from __future__ import annotations

import torch
from torch import Tensor


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
