"""Values that are one of several levels."""

from __future__ import annotations

import torch
from torch import Tensor

from genzoo_vae.observation.observation import Observation


class Categorical(Observation):
    """Independent categorical distributions. The decoder gives the logits: of the first level of all places, and so on.

    Arguments:
        places: D.
        levels: number of levels of each place.
        spacing: distance between two levels in model space. Defaults to 1, as for codes of a column.
        ordered: whether the encoder sees the values themselves, as for grayscale levels, rather than one-hot levels.
            Defaults to False.
    """

    def __init__(self, places: int, levels: int, *, spacing: float = 1.0, ordered: bool = False) -> None:
        super().__init__(places)
        self.levels = levels
        self.spacing = spacing
        self.ordered = ordered

    @property
    def width(self) -> int:
        return self.levels * self.places

    @property
    def shown(self) -> int:
        return self.places if self.ordered else self.levels * self.places

    @property
    def averaged(self) -> int:
        return self.width

    def show(self, x: Tensor, missing: Tensor | None) -> Tensor:
        if self.ordered:
            return x
        levels = torch.arange(self.levels, device=x.device)[:, None]
        one_hot = (x[:, None] == levels).to(x.dtype)  # (N, levels, D)
        return (one_hot if missing is None else one_hot.masked_fill(missing[:, None], 0.0)).flatten(1)

    def _log_probabilities(self, given: Tensor) -> Tensor:
        """Compute the log-probability of every level of every place, `(..., levels, D)`."""
        return given.reshape(*given.shape[:-1], self.levels, self.places).log_softmax(-2)

    def log_prob(self, x: Tensor, given: Tensor) -> Tensor:
        logits = self._log_probabilities(given)
        code = (x / self.spacing).round().long().expand(*given.shape[:-1], self.places)
        return logits.gather(-2, code[..., None, :])[..., 0, :]

    def sample(self, given: Tensor) -> Tensor:
        logits = self._log_probabilities(given)
        noise = (
            -torch.empty_like(logits).exponential_().log()
        )  # Gumbel noise: the argmax of logits plus noise is a draw
        return self._event((logits + noise).argmax(-2), given)

    def expectation(self, given: Tensor) -> Tensor:
        return self._log_probabilities(given).exp().flatten(-2)

    def conclude(self, expectation: Tensor) -> Tensor:
        shares = expectation.reshape(*expectation.shape[:-1], self.levels, self.places)
        return self._event(shares.argmax(-2), expectation)

    def _event(self, code: Tensor, like: Tensor) -> Tensor:
        return code.to(like.dtype) * self.spacing
