"""The interface of a model: its parts, and the capabilities of a generator.

Modules work in model space. They need no data units, files, devices or seeds, and draw random numbers from torch's
global generators. Shapes: `N` events, `*event` the event shape, `K` components, `L` latent dimensions.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from genzoo.errors import ConfigError
from genzoo.plugins.api1 import with_former_names

Measure = Literal["density", "mass"]
"""What a likelihood measures: a density in data units, or the probability of a value."""


@dataclass(frozen=True, slots=True)
class Floor:
    """Directions in which a fitted density is no wider than a setting makes it.

    The likelihood of events there depends on the setting, and says nothing about the data. A comparison does not rank
    it.

    Arguments:
        setting: name of the option that sets the smallest width, such as `reg_covar`.
        directions: coefficients of the values of an event in model space, `(D, *event)`: their sums hardly vary.
        share: share of each event's density that has this width, `(N,)`, from 0 to 1.
    """

    setting: str
    directions: Tensor
    share: Tensor


@dataclass(frozen=True, slots=True)
class ParameterTable:
    """Parameters of a fitted model that have a meaning of their own, such as loadings, for a description.

    Arguments:
        caption: what the numbers are.
        header: names of the columns of the table; the first is about the names of the rows.
        rows: the name of each row, and its numbers, which must not depend on units.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float, ...]], ...]

    def __post_init__(self) -> None:
        if any(len(numbers) + 1 != len(self.header) for _, numbers in self.rows):
            raise ValueError(f"Table {self.caption!r} has rows whose length differs from the header's.")


@with_former_names
class Generator(nn.Module, ABC):
    """A distribution over events.

    If it has a buffer `grid_step ()`, the core fills it before training with the step, in model space, of the grid that
    images lie on. So it can give such values a probability itself. Samples may lie off the grid: genzoo rounds them.
    """

    needs_float64: ClassVar[bool] = False
    """Whether some of its computations need float64, independent of the type of its parameters.

    Not every device supports float64.
    """

    grows: ClassVar[tuple[str, ...]] = ()
    """Names of buffers, as in the state dict, whose first dimension depends on the training events.

    A built model may have any length there, such as 0. When a model is loaded, the length comes from the file.
    """

    dequantized: bool = False
    """Whether it needs dequantized data, because it models values on a grid by a density.

    The core then adds uniform noise over the cells of the grid. The mean log-density is a lower bound of the
    log-probability of the cell.
    """

    accepts_missing: bool = True
    """Whether it accepts missing values, if its spec sets `missing`. With some options, a model may not."""

    measures: tuple[Measure, ...] | None = None
    """What its likelihood measures, one entry for each column of a table, or a single one for images.

    Defaults to `None`: a density for continuous features, and a probability mass for all others.
    """

    @abstractmethod
    def sample(self, n: int, *, condition: Tensor | None = None, **options: Any) -> Tensor:
        """Draw events.

        Arguments:
            n: number of events.
            condition: what to draw each event given, `(n, D)`, if the data have conditions: one-hot categories and
                standardized numbers. Defaults to `None`.
            options: the model's own sampling options.

        Returns:
            Events in model space, `(n, *event)`.
        """

    def check_sampling(self, **options: Any) -> None:
        """Check before training that sampling options suit this model and its data. Accepts all by default.

        Arguments:
            options: as for `sample`.

        Raises:
            ConfigError: they do not.
        """

    def floors(self, x: Tensor, missing: Tensor | None = None) -> Sequence[Floor]:
        """Return where the density of events rests on a smallest width of the model's own.

        Override it if a setting limits how narrow a density can become. Defaults to none.

        Arguments:
            x: events in model space, `(N, *event)`; 0 at missing values.
            missing: mask of missing values, `(N, *event)`. Defaults to `None`: nothing is missing.
        """
        return ()

    def tables(self) -> Sequence[ParameterTable]:
        """Return parameters that have a meaning of their own, for `genzoo describe`.

        Defaults to none.
        """
        return ()


class Discriminator(nn.Module, ABC):
    """A module that scores how real events look."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Return logits of events `x (N, *event)`, `(N,)`; larger means more like data."""


class Likelihood(ABC):
    """A generator with an exact log-density.

    If the model's spec sets `missing`, all methods of capabilities that take events also take a second argument, the
    mask `missing (N, *event)`. It is omitted if no value is missing. `x` is 0 at missing values.

    If its spec sets `conditional` and the data have conditions, all methods of capabilities that take or return events,
    and `floors`, also take the keyword `condition (N, D)`.
    """

    thread_safe: ClassVar[bool] = False
    """Whether threads may call `log_prob` at the same time in evaluation mode: it changes nothing in the generator and
    draws no random numbers. On a CPU, each thread then computes a block of events on one core, which is faster for
    models of many small operations."""

    @property
    @abstractmethod
    def degrees_of_freedom(self) -> int | None:
        """Number of free parameters; `None` if information criteria have no meaning for the model."""

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Return the log-density of `x (N, *event)` in nats, `(N,)`."""


class LikelihoodBound(ABC):
    """A generator with a lower bound of its log-density."""

    draws_tighten: bool = True
    """Whether more draws tighten the bound.

    If not, the bound of more draws is a mean of bounds of one draw, which only makes it less random. The core then
    takes means, too, where it draws values within the cells of a grid.
    """

    bound_options: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """Sampling options with which samples have the distribution that the bound belongs to.

    Without them, a model that samples in several ways may draw by default from a distribution that is only near it.
    """

    @abstractmethod
    def log_prob_bound(self, x: Tensor, *, draws: int = 1) -> Tensor:
        """Return a lower bound of the log-density of `x (N, *event)` in nats, `(N,)`; more draws tighten it."""


class LikelihoodEstimate(ABC):
    """A generator with an estimate of its log-density, which may be above or below it.

    The estimate has two errors. A solver takes `steps` steps, and its error falls with their number. Random vectors,
    the `probes`, have a standard error, which falls with the root of their number.
    """

    @abstractmethod
    def log_prob_estimate(self, x: Tensor, *, probes: int, steps: int) -> tuple[Tensor, Tensor]:
        """Estimate the log-density of `x (N, *event)` in nats.

        Arguments:
            probes: number of random vectors, at least 2; 0 for none, at a cost that grows with the size of an event.
            steps: number of steps of the solver.

        Returns:
            Estimates, `(N,)`, and their standard errors over the probes, `(N,)`: 0 without probes.
        """


class Autoregressive(ABC):
    """A generator of texts that knows the probability of each symbol given the ones before it.

    It has `Likelihood`, too: `log_prob` is the sum of `log_prob_each`. Its spec names
    `genzoo.config.tokens:TextSampling`, or a subclass, as its sampling options.
    """

    @abstractmethod
    def log_prob_each(self, x: Tensor) -> Tensor:
        """Return the log-probability of each symbol given those before it, of texts `x (N, L)`, in nats, `(N, L)`.

        The first end counts, and places after it are 0. A text that fills the longest event has no end.
        """

    @abstractmethod
    def generate(self, prompt: Tensor, *, condition: Tensor | None = None, **options: Any) -> Iterator[Tensor]:
        """Yield the next symbol of each text, `(n,)` int64, one place after the other, without end.

        Arguments:
            prompt: codes that the texts begin with, `(n, P)` int64, none of them the end; P may be 0.
            condition: what to draw each text given, `(n, D)`. Defaults to `None`.
            options: the model's own sampling options, such as `temperature`.
        """


class Decoder(ABC):
    """A generator that maps a latent vector to an event."""

    prior_given: bool = False
    """Whether the prior depends on the condition: `prior_sample` then takes the keyword `condition (n, D)`, too."""

    @property
    @abstractmethod
    def latent(self) -> int:
        """Number of latent dimensions, L."""

    @abstractmethod
    def prior_sample(self, n: int) -> Tensor:
        """Draw latent vectors from the prior, `(n, L)`."""

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        """Return the events of `z (N, L)` in model space, `(N, *event)`."""


def latent_vectors(decoder: Decoder, n: int, condition: Tensor | None) -> Tensor:
    """Draw latent vectors from the prior, `(n, L)`, given conditions `(n, D)` if it depends on them."""
    draw: Callable[..., Tensor] = decoder.prior_sample
    return draw(n, condition=condition) if decoder.prior_given else draw(n)


class Encoder(ABC):
    """A generator that maps an event to a latent vector."""

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Return the posterior mean of the latent vectors of `x (N, *event)`, `(N, L)`."""


class Reconstruction(ABC):
    """A generator that reconstructs events."""

    @abstractmethod
    def reconstruct(self, x: Tensor) -> Tensor:
        """Return reconstructions of `x (N, *event)`, in the same shape."""


class AnomalyScore(ABC):
    """A model that says how unusual events are, with no likelihood."""

    @property
    @abstractmethod
    def score_meaning(self) -> str:
        """The meaning of the score with its unit, for output, such as `reconstruction error, squared ...`."""

    @abstractmethod
    def anomaly_score(self, x: Tensor) -> Tensor:
        """Return the scores of `x (N, *event)`, `(N,)`; higher is more unusual."""


class Components(ABC):
    """A generator made of components, such as a mixture."""

    @abstractmethod
    def log_posterior(self, x: Tensor) -> Tensor:
        """Return the log-probability of each component given `x (N, *event)`, `(N, K)`."""


class Outliers(Components):
    """A mixture with a component for outliers, events that fit none of the other components.

    Its `log_posterior` extends the density of the outlier component to all events. An event far from all training data
    is therefore an outlier, and not a member of the nearest component.
    """

    @property
    @abstractmethod
    def outlier(self) -> int:
        """Number of the outlier component, a column of `log_posterior`."""

    @abstractmethod
    def covers(self, x: Tensor) -> Tensor:
        """Return whether the outlier component has any density at `x (N, *event)`, `(N,)` bool."""


class Imputation(ABC):
    """A generator that fills in missing values."""

    approximate: bool = False
    """Whether its draws only approximate the model's conditional distribution.

    `log_prob` is then exact for whole events only: genzoo does not ask it about events with missing values.
    """

    @abstractmethod
    def impute(self, x: Tensor, missing: Tensor, *, draw: bool = False) -> Tensor:
        """Fill in the values of `x (N, *event)` at which `missing` is true.

        A missing number becomes its mean given the observed values, a missing category the most probable one. With
        `draw`, missing values are drawn from their distribution given the observed values instead.
        """


def scores_whole_only(generator: object) -> bool:
    """Return whether a generator has exact likelihoods of whole events only, although it fills in missing values."""
    return isinstance(generator, Likelihood) and isinstance(generator, Imputation) and generator.approximate


CAPABILITIES: tuple[type, ...] = (
    Likelihood,
    LikelihoodBound,
    LikelihoodEstimate,
    Autoregressive,
    Decoder,
    Encoder,
    Reconstruction,
    AnomalyScore,
    Components,
    Outliers,
    Imputation,
)


def capability_name(capability: type) -> str:
    """Return the name of a capability class, as specs use it.

    Examples:
        >>> capability_name(LikelihoodBound)
        'likelihood-bound'
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", capability.__name__).lower()


def capabilities_of(generator: Generator) -> frozenset[str]:
    """Return the names of a generator's capabilities."""
    return frozenset(capability_name(cls) for cls in CAPABILITIES if isinstance(generator, cls))


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that a model's builder returns."""

    generator: Generator
    discriminator: Discriminator | None = None


@with_former_names
class Model(nn.Module):
    """The parts of a model as one module."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.generator = parts.generator
        # Not `register_module`: it raises if the class has an attribute of that name, such as the property below.
        self._modules["discriminator"] = parts.discriminator

    @property
    def discriminator(self) -> Discriminator:
        """The discriminator.

        Raises:
            ConfigError: the model has none.
        """
        discriminator = self._modules["discriminator"]
        if discriminator is None:
            raise ConfigError("This model has no discriminator; an adversarial objective cannot train it.")
        assert isinstance(discriminator, Discriminator)
        return discriminator

    def with_generator(self, generator: Generator) -> Model:
        """Return the same model with another generator."""
        discriminator = self.discriminator if "discriminator" in self.groups else None
        return Model(Parts(generator, discriminator))

    @property
    def groups(self) -> dict[str, nn.Module]:
        """The parameter groups, by the names that an objective's losses use."""
        return {name: module for name, module in self._modules.items() if module is not None}
