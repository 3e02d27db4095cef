"""Collect losses on the device, and read them in blocks.

Reading a number from a GPU waits until all its work is done. The buffer copies a whole block of losses instead, and
reads it one block later, when the copy has long finished.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from genzoo.errors import DivergenceError
from genzoo.runtime.device import widest
from genzoo.wording import argument


@dataclass(frozen=True, slots=True)
class LossRecord:
    """The losses of one step, by name; the mean, if a group had several losses in the step."""

    step: int
    values: dict[str, float]


class LossBuffer:
    """A block of losses on the device, and the previous block on its way to the host.

    Arguments:
        device: device of the losses.
        block: number of steps per block. On the CPU, every step is read at once.
        offsets: what to add to losses when they are read, by name. Defaults to nothing.
    """

    def __init__(self, device: torch.device, block: int, offsets: Mapping[str, float] | None = None) -> None:
        self._offsets = dict(offsets or {})
        self._block = block if device.type in ("cuda", "mps") else 1
        self._device = device
        self._dtype = widest(device)
        self._names: tuple[str, ...] = ()
        self._rows: list[Tensor] = []
        self._last = 0
        self._traveling: tuple[int, Tensor, torch.cuda.Event | None] | None = None

    def add(self, step: int, losses: Mapping[str, Tensor]) -> list[LossRecord]:
        """Add the losses of `step`, and return the records of earlier steps that have arrived."""
        early = self.flush() if tuple(losses) != self._names else []
        self._names = tuple(losses)
        if not losses:
            return [*early, LossRecord(step, {})]
        if self._block == 1:
            return [*early, self._record(step, [float(loss.detach()) for loss in losses.values()])]
        # `stack` copies the losses; CUDA graphs reuse the memory of their outputs in the next step.
        self._rows.append(torch.stack([loss.detach().to(self._dtype) for loss in losses.values()]))
        self._last = step
        if len(self._rows) < self._block:
            return early
        arrived = self._arrive()
        self._send()
        return early + arrived

    def flush(self) -> list[LossRecord]:
        """Wait for all records that have not arrived yet, and return them."""
        arrived = self._arrive()
        if self._rows:
            self._send()
            arrived += self._arrive()
        return arrived

    def _send(self) -> None:
        block = torch.stack(self._rows)
        first = self._last - len(self._rows) + 1
        self._rows = []
        if self._device.type != "cuda":
            self._traveling = (first, block.cpu(), None)
            return
        host = torch.empty(block.shape, dtype=block.dtype, pin_memory=True)
        host.copy_(block, non_blocking=True)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        self._traveling = (first, host, event)

    def _arrive(self) -> list[LossRecord]:
        if self._traveling is None:
            return []
        first, host, event = self._traveling
        if event is not None:
            event.synchronize()
        self._traveling = None
        return [self._record(first + i, row) for i, row in enumerate(host.tolist())]

    def _record(self, step: int, values: list[float]) -> LossRecord:
        """Return the record of a step from its losses.

        Raises:
            DivergenceError: one of them is not finite.
        """
        pairs = zip(self._names, values, strict=True)
        record = LossRecord(step, {name: value + self._offsets.get(name, 0.0) for name, value in pairs})
        _check_finite(record)
        return record


def _check_finite(record: LossRecord) -> None:
    for name, value in record.values.items():
        if not math.isfinite(value):
            if record.step == 1:  # no update has taken place, so the learning rate has no part in it
                raise DivergenceError(
                    f"Training diverged: the {name} loss was {value} at step 1, before any update. Look for a mask "
                    f"that leaves nothing, the logarithm of 0, or extreme values in the data."
                )
            raise DivergenceError(
                f"Training diverged: the {name} loss was {value} at step {record.step}. Try a smaller learning rate "
                f"({argument('lr')}), clip gradients ({argument('training.grad_clip', 1)}), or use a more stable "
                f"objective "
                f"or precision ({argument('precision', 'fp32')})."
            )
