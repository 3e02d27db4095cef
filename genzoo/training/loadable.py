"""Check before the first step that the model which a training makes can be loaded again."""

from __future__ import annotations

from typing import Any

import torch

from genzoo.errors import ArtifactError, ConfigError, PluginError
from genzoo.models.state_dict import growing
from genzoo.persistence.safe_build import check_fit
from genzoo.plugins.manager import get_registry
from genzoo.storage.tensors import is_finite
from genzoo.text import with_period
from genzoo.training.setup import TrainingSetup

_LONGEST = 300
"""Letters of a reason that a run records."""


def check_loadable(setup: TrainingSetup) -> dict[str, Any]:
    """Build the model as loading does, and check its weights against it.

    Returns:
        How the model is built when it is loaded, for the run's record: `build` is `"without memory"` or
        `"under a limit"`, and then `because` is what fails without memory.

    Raises:
        ConfigError: it could not be loaded with these options and data.
        PluginError: its weights hold a number that is not finite, which files cannot.
    """
    generator, entry = setup.engine.model.generator, get_registry().models.get(setup.config.model)
    weights = generator.state_dict()
    for name, value in weights.items():
        if not is_finite(value):
            raise PluginError(
                f"Model {entry.id!r} would save {name!r}, which holds infinite numbers or NaN before training. Files "
                f"hold finite numbers only. If it is a constant, such as a mask, register it with persistent=False."
            )
    outlines = {name: value.to("meta") for name, value in weights.items()}
    for name in growing(generator):
        like = outlines[name]
        outlines[name] = torch.empty(len(setup.split.train), *like.shape[1:], dtype=like.dtype, device="meta")
    try:
        reason = check_fit(entry, setup.config.options, setup.transform.spec_after(setup.dataset.spec), outlines)
    except ArtifactError as error:
        raise ConfigError(
            f"Model {entry.id!r} could be trained, but not loaded again: {with_period(str(error))}"
        ) from error
    return {"build": "without memory"} if reason is None else {"build": "under a limit", "because": reason[:_LONGEST]}
