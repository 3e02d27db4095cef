"""Change training images at random, in ways that leave their content alone.

Augmentation is part of training, not of the data: validation, evaluation and likelihoods see the data as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from genzoo.data.dequantize import hashed
from genzoo.runtime.seeding import derive


@dataclass(frozen=True, slots=True)
class Flip:
    """Mirrors half of the images left to right, others in each epoch.

    Which ones is a hash of the seed, the epoch and the row. So it is the same in any batch, process, loader and after a
    resume.

    Arguments:
        seed: seed of the run.
    """

    seed: int

    def __call__(self, events: Tensor, index: Tensor, epoch: int) -> Tensor:
        """Return images `(N, C, H, W)`, some of them mirrored.

        Arguments:
            index: row numbers, `(N,)` int64.
            epoch: number of the epoch, from 0.
        """
        mirrored = hashed(derive(self.seed, "flip", epoch), index, 1) < 0
        return torch.where(mirrored.view(-1, 1, 1, 1), events.flip(-1), events)
