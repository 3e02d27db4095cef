"""The contracts of a model: its parts, and the capabilities a generator may have.

Modules work in model space, know nothing of data units, files, devices or seeds, and draw from torch's global
generators. Shapes: `N` events, `*event` the event shape, `K` components, `L` latent dimensions.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from genzoo.errors import ConfigError
from genzoo.plugins.api1 import with_former_names

Measure = Literal["density", "mass"]
"""What a likelihood is of a value: a density, in the units of the data, or the probability of that very value."""


@with_former_names
class Generator(nn.Module, ABC):
    """A distribution over events."""

    needs_float64: ClassVar[bool] = False
    """Whether it computes in float64 somewhere, whatever the type of its parameters; not every device can."""

    dequantized: bool = False
    """Whether it is a density where data may lie on a grid: the core then spreads their values over the cells of the
    grid by uniform noise, and what it says of them is a lower bound of the probability of the cell."""

    measures: tuple[Measure, ...] | None = None
    """What its likelihood measures, column by column, once for all places of an image; `None` where the kinds of the
    columns say it: a density of continuous columns, a probability mass of all others."""

    @abstractmethod
    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        """Draw events.

        Arguments:
            n: how many.
            condition: what to sample given, `(n, *condition)`, for generators that take one.
            options: what the model's own sampling options say.

        Returns:
            Events in model space, `(n, *event)`.
        """


class Discriminator(nn.Module, ABC):
    """A score of events."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Logits of events `x (N, *event)`, `(N,)`; larger means more like data."""


class Likelihood(ABC):
    """A generator whose density is known exactly.

    Methods of this and the other capabilities that take events take a second argument, `missing (N, *event)`, where
    the model's spec says that it accepts missing values; without it nothing is missing. `x` holds 0 in such places.
    """

    @property
    @abstractmethod
    def degrees_of_freedom(self) -> int | None:
        """How many free parameters it has; `None` where information criteria have no meaning."""

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of `x (N, *event)` in nats, `(N,)`."""


class LikelihoodBound(ABC):
    """A generator whose log-density is known from below."""

    @abstractmethod
    def log_prob_bound(self, x: Tensor, *, draws: int = 1) -> Tensor:
        """Lower bound of the log-density of `x (N, *event)` in nats, `(N,)`; it tightens as `draws` grows."""


class Decoder(ABC):
    """A generator that maps a latent vector to an event."""

    @property
    @abstractmethod
    def latent(self) -> int:
        """Latent dimensions, L."""

    @abstractmethod
    def prior_sample(self, n: int) -> Tensor:
        """Latent vectors as the prior draws them, `(n, L)`."""

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        """The events of `z (N, L)` in model space, `(N, *event)`."""


class Encoder(ABC):
    """A generator that finds the latent vector of an event."""

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """The posterior mean of `x (N, *event)`, `(N, L)`."""


class Reconstruction(ABC):
    """A generator that gives its own version of an event."""

    @abstractmethod
    def reconstruct(self, x: Tensor) -> Tensor:
        """What it makes of `x (N, *event)`, of the same shape."""


class Components(ABC):
    """A generator made of components."""

    @abstractmethod
    def log_posterior(self, x: Tensor) -> Tensor:
        """Log-probability of each component given `x (N, *event)`, `(N, K)`."""


class Outliers(Components):
    """A mixture that gives events which fit none of its other components a component of their own.

    Its `log_posterior` holds every event against that component as though its density reached there, so that what
    lies far from everything seen is an outlier and not a member of the least distant component.
    """

    @property
    @abstractmethod
    def outlier(self) -> int:
        """The number of that component, a column of `log_posterior`."""

    @abstractmethod
    def covers(self, x: Tensor) -> Tensor:
        """Whether that component has any density at `x (N, *event)`, `(N,)` bool."""


class Imputation(ABC):
    """A generator that fills in missing values."""

    @abstractmethod
    def impute(self, x: Tensor, missing: Tensor, *, draw: bool = False) -> Tensor:
        """`x (N, *event)` with the places where `missing` is true filled in.

        With their means given the observed values, the most probable value where they are categories; or, with
        `draw`, with a draw from their distribution given the observed values.
        """


CAPABILITIES: tuple[type, ...] = (
    Likelihood,
    LikelihoodBound,
    Decoder,
    Encoder,
    Reconstruction,
    Components,
    Outliers,
    Imputation,
)


def capability_name(capability: type) -> str:
    """The string that stands for a capability class in a spec.

    Examples:
        >>> capability_name(LikelihoodBound)
        'likelihood-bound'
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", capability.__name__).lower()


def capabilities_of(generator: Generator) -> frozenset[str]:
    """The capabilities this generator has, as strings."""
    return frozenset(capability_name(cls) for cls in CAPABILITIES if isinstance(generator, cls))


@dataclass(frozen=True, slots=True)
class Parts:
    """What a model's builder returns; the core attaches the objective."""

    generator: Generator
    discriminator: Discriminator | None = None


@with_former_names
class Model(nn.Module):
    """The parts of one zoo entry as one module."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.generator = parts.generator
        # Put there directly: `register_module` asks whether the name is taken, and the property below would answer.
        self._modules["discriminator"] = parts.discriminator

    @property
    def discriminator(self) -> Discriminator:
        """The discriminator.

        Raises:
            ConfigError: the model has none.
        """
        found = self._modules["discriminator"]
        if found is None:
            raise ConfigError("This model has no discriminator; an adversarial objective cannot train it.")
        assert isinstance(found, Discriminator)
        return found

    def with_generator(self, generator: Generator) -> Model:
        """The same model with another generator."""
        discriminator = self.discriminator if "discriminator" in self.groups else None
        return Model(Parts(generator, discriminator))

    @property
    def groups(self) -> dict[str, nn.Module]:
        """The parameter groups, by the names that an objective's losses use."""
        return {name: module for name, module in self._modules.items() if module is not None}
