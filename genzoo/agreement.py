"""What several processes that train one model must agree on, before the first step and after the last."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from genzoo.config import version
from genzoo.errors import ConfigError, DataError, GenzooError
from genzoo.preparation import Prepared

_DATA = "data"


def check_alike(prepared: Prepared, data_digest: str) -> None:
    """Refuse processes that see other data, or were told or found something else.

    Raises:
        DataError: the data of two processes differ.
        ConfigError: something else does.
    """
    mine: dict[str, Any] = {
        _DATA: data_digest[:12],
        "device": prepared.runtime.device.type,
        "precision": prepared.runtime.precision,
        "version of torch": torch.__version__,
        "version of genzoo": version(),
        "settings": prepared.config.model_dump(mode="json", exclude={"data", "device"}),
    }
    told = prepared.processes.gather(mine)
    for rank, theirs in enumerate(told):
        for name, value in told[0].items():
            if theirs[name] != value:
                wrong = DataError if name == _DATA else ConfigError
                raise wrong(
                    f"The processes of a training must have the same {name}, and these differ: {value} at rank 0 and "
                    f"{theirs[name]} at rank {rank}."
                )


def check_same_weights(prepared: Prepared, moment: str) -> None:
    """Refuse to go on where processes hold other numbers than the first one.

    Arguments:
        moment: when that is, such as `"at the start"`.

    Raises:
        GenzooError: they do.
    """
    if prepared.processes.count == 1:
        return
    told = prepared.processes.gather(_digest(prepared))
    apart = [rank for rank, theirs in enumerate(told) if theirs != told[0]]
    if apart:
        raise GenzooError(
            f"Rank {apart[0]} holds other weights than rank 0 {moment}, so they no longer train the same model. Are "
            f"all machines alike? The run keeps its checkpoints; begin again from one with --warm-start."
        )


def _digest(prepared: Prepared) -> str:
    """SHA-256 of all tensors that an exact resume needs."""
    found = hashlib.sha256()
    for name, tensor in sorted({**prepared.engine.tensors(), **prepared.transform.state_dict()}.items()):
        found.update(name.encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
