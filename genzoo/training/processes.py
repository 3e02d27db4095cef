"""Check that the processes of a training see the same data and hold the same weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch

from genzoo.data.transforms import Transform
from genzoo.engine.distributed import Processes
from genzoo.engine.loss_buffer import LossRecord
from genzoo.errors import ConfigError, DataError, GenzooError
from genzoo.training.setup import TrainingSetup
from genzoo.training.trainer import Callback, Engine, Outcome
from genzoo.version import version
from genzoo.wording import argument

_DATA = "data"


def check_same_start(setup: TrainingSetup, data_digest: str) -> None:
    """Check that all processes have the same data, settings, device and versions.

    Raises:
        DataError: the data of two processes differ.
        ConfigError: something else differs.
    """
    mine: dict[str, Any] = {
        _DATA: data_digest[:12],
        "device": setup.runtime.device.type,
        "precision": setup.runtime.precision,
        "version of torch": torch.__version__,
        "version of genzoo": version(),
        "settings": setup.config.model_dump(mode="json", exclude={"data", "device"}),
    }
    everyone = setup.processes.gather(mine)
    for rank, theirs in enumerate(everyone):
        for name, value in everyone[0].items():
            if theirs[name] != value:
                wrong = DataError if name == _DATA else ConfigError
                raise wrong(
                    f"The processes of a training must have the same {name}, and these differ: {value} at rank 0 and "
                    f"{theirs[name]} at rank {rank}."
                )


class SameWeights(Callback):
    """Checks that all processes of a training hold the same weights.

    Arguments:
        engine: holds the model.
        transform: is compared, too.
        processes: processes that train together.
    """

    def __init__(self, engine: Engine[Any], transform: Transform, processes: Processes) -> None:
        self._engine = engine
        self._transform = transform
        self._processes = processes

    def on_end(self, outcome: Outcome, losses: Sequence[LossRecord]) -> None:
        """Check after the last step."""
        self.check("at the end")

    def check(self, moment: str) -> None:
        """Raise if the weights differ.

        Arguments:
            moment: when it is checked, such as `"at the start"`.

        Raises:
            GenzooError: they differ.
        """
        if self._processes.count == 1:
            return
        digests = self._processes.gather(self._digest())
        apart = [rank for rank, other in enumerate(digests) if other != digests[0]]
        if apart:
            raise GenzooError(
                f"Rank {apart[0]} holds other weights than rank 0 {moment}, so they no longer train the same model. "
                f"Are all machines alike? The run keeps its checkpoints. Start a new run from one of them with "
                f"{argument('warm_start')}."
            )

    def _digest(self) -> str:
        """Return the SHA-256 of all tensors that an exact resume needs."""
        digest = hashlib.sha256()
        for name, tensor in sorted({**self._engine.tensors(), **self._transform.state_dict()}.items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()
