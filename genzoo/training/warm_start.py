"""Start a training from the weights of a trained model."""

from __future__ import annotations

from genzoo.config.run_config import RunConfig
from genzoo.data.dataset import Dataset
from genzoo.data.value_range import check_inside
from genzoo.errors import ConfigError
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.base import Generator
from genzoo.models.state_dict import load_tensors
from genzoo.persistence.open_run import load
from genzoo.wording import argument


def open_warm_start(config: RunConfig, dataset: Dataset) -> TrainedModel | None:
    """Return the model to start from, with its transform.

    Raises:
        ConfigError: it is another model, has other columns, or the settings choose transforms.
        DataError: images lie outside the range that it was trained on.
    """
    if config.warm_start is None:
        return None
    found = load(config.warm_start)
    if found.model != config.model:
        raise ConfigError(
            f"{config.warm_start} holds the model {found.model!r}, and {config.model!r} cannot start from it."
        )
    own, asked = found.data, dataset.spec
    if (own.event_shape, own.features, own.condition) != (asked.event_shape, asked.features, asked.condition):
        raise ConfigError(f"{config.warm_start} was trained on other columns or shapes than {dataset.name} has.")
    if config.data.transforms:
        raise ConfigError(
            f"{argument('transforms', config.data.transforms)}: a training that starts from {config.warm_start} keeps "
            f"the transforms of that model. Leave it out."
        )
    check_inside(str(config.warm_start), dataset.name, dataset.events, found.data)
    return found


def take_over(generator: Generator, warm: Generator, path: str) -> None:
    """Copy the weights of a warm start at `path` into a generator.

    Raises:
        ConfigError: they have other shapes.
    """
    own, other = generator.state_dict(), warm.state_dict()
    if {name: value.shape for name, value in own.items()} != {name: value.shape for name, value in other.items()}:
        raise ConfigError(f"{path} was trained with options that give its weights other shapes. Use the same options.")
    load_tensors(generator, other)
