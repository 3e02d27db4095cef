"""Gradient training: turn the losses that an objective yields into updates of its model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from genzoo.config.training import GradientTraining
from genzoo.engine.compilation import asks_to_compile, compile_stages, explain_failure
from genzoo.engine.distributed import SINGLE_PROCESS, Processes
from genzoo.engine.optim import EMA, ParameterGroup
from genzoo.engine.sampler import ProcessShare
from genzoo.engine.schedule import lr_factor
from genzoo.errors import ConfigError, PluginError
from genzoo.models.base import Generator, Model
from genzoo.models.objective import Batch, GradientObjective, Progress
from genzoo.models.state_dict import load_tensors, strip_prefix
from genzoo.plugins.registry import blame
from genzoo.runtime.device import Runtime
from genzoo.wording import argument

MOST_SYMBOLS = 2**16
"""Symbols of texts that a step computes at a time, with padding, if the mean over parts of a batch is the same loss."""


class GradientEngine:
    """Gradient training of one model under one objective.

    The objective yields losses, one for each group of parameters to update. After each yield the engine backpropagates
    them and steps the optimizers of these groups, so an objective can update a discriminator before the generator.

    Arguments:
        model: the model, on the runtime's device and in its number type.
        objective: yields the losses.
        training: settings of optimizers, schedule, moving average, clipping and accumulation.
        runtime: device and precision.
        processes: the processes that train together. Defaults to a single one.

    Raises:
        ConfigError: the settings do not suit the model or the objective.
    """

    def __init__(
        self,
        model: Model,
        objective: GradientObjective,
        training: GradientTraining,
        runtime: Runtime,
        processes: Processes = SINGLE_PROCESS,
    ) -> None:
        if objective.needs_discriminator and "discriminator" not in model.groups:
            raise ConfigError("This model has no discriminator, and the objective needs one. Choose another objective.")
        self.model = model
        self.objective = objective
        self._training = training
        self._runtime = runtime
        self._processes = processes
        processes.synchronize(model)
        self._groups = {
            name: ParameterGroup(module, training.optimizer_of(name), runtime, training.grad_clip, processes)
            for name, module in model.groups.items()
        }
        least = objective.least_events * training.grad_accumulation
        if training.batch_size < least:
            raise ConfigError(
                f"This objective needs at least {objective.least_events} events at a time, and a batch of "
                f"{training.batch_size} in {training.grad_accumulation} parts has fewer. Use "
                f"{argument('batch_size', least)} or more."
            )
        if unknown := set(training.param_groups) - set(self._groups):
            raise ConfigError(f"There is no group of parameters {min(unknown)!r}; this model has {[*self._groups]}.")
        self.ema = EMA(model.generator, training.ema) if training.ema else None
        self.progress = Progress.start(runtime.device)
        self._compiled = asks_to_compile(model, training, runtime, processes)
        if self._compiled:
            compile_stages(model, objective, runtime.device)

    @property
    def events_per_step(self) -> int:
        """Number of events that one step consumes."""
        return self._training.batch_size * self.objective.batches_per_step

    @property
    def share(self) -> ProcessShare | None:
        """Share of this process in a step: the same slice of every part of the batch; `None` for a single process.

        Raises:
            ConfigError: the batch does not divide among the processes.
        """
        count, parts, size = self._processes.count, self._training.grad_accumulation, self._training.batch_size
        if count == 1:
            return None
        if size % (count * parts):
            whole = count * parts * max(1, round(size / (count * parts)))
            each = f"{count} processes" if parts == 1 else f"{count} processes of {parts} parts each"
            raise ConfigError(
                f"A batch of {size} events does not divide among {each}. The batch size counts the events of all "
                f"processes together. Use {argument('batch_size', whole)}."
            )
        return ProcessShare(self._processes.rank, count, size // (count * parts), slices_noise=not self._compiled)

    @property
    def finished(self) -> bool:
        """Always false: gradient training ends with its budget."""
        return False

    @property
    def trained(self) -> Generator:
        """The generator to keep: the moving average, if there is one."""
        return self.ema.module if self.ema else self.model.generator

    @torch.enable_grad()
    def update(self, batch: Batch, step: int, fraction: float) -> dict[str, Tensor]:
        """Run one step: backpropagate every loss that the objective yields, and update its groups.

        Arguments:
            batch: `events_per_step` events, or the share of this process.
            step: number of the step, from 1.
            fraction: share of the budget spent before the step, 0 to 1.

        Returns:
            The step's losses by group, `()` each, on the device.
        """
        if self._runtime.device.type == "cuda":
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        # `train` visits every module, which takes as long as a small layer, so it is called only if needed.
        if not all(module.training for module in self.model.groups.values()):
            self.model.train()
        self.progress.step.fill_(step)
        self.progress.fraction.fill_(fraction)
        factor = lr_factor(self._training.schedule, step, fraction)
        with _unchecked_distributions():
            losses = self._update_groups(batch, factor)
        if not losses:
            raise PluginError("The objective yields no loss, so there is nothing to minimize.")
        if self.ema is not None:
            self.ema.update(step)
        return {name: _mean(values) for name, values in losses.items()}

    def _update_groups(self, batch: Batch, factor: float) -> dict[str, list[Tensor]]:
        """Run the objective over all parts of the batch in lockstep.

        With gradient accumulation, all parts yield a loss before its group is stepped, so each yield is one update by
        the whole batch.
        """
        parts = batch.chunk(self._parts(batch))
        with blame("The objective"):
            streams = [self.objective.losses(self.model, part, self.progress) for part in parts]
        for stream in streams:
            if not isinstance(stream, Iterator):
                raise PluginError(
                    f"The objective's losses returned a value of type {type(stream).__name__}. It must yield a "
                    f"dict of losses by parameter group, such as {{'generator': loss}}."
                )
        kept: dict[str, list[Tensor]] = {}
        while True:
            yielded: dict[str, list[Tensor]] = {}
            for stream in streams:
                with blame("The objective"), self._runtime.autocast(), self._processes.noise:
                    losses = next(stream, None)
                if losses is None:
                    return kept
                self._backward(losses, len(parts), yielded)
            for name, values in yielded.items():
                # Processes talk once for each update of a group, however many parts a batch has.
                kept.setdefault(name, []).append(self._groups[name].share(_mean(values)))
                self._groups[name].step(factor)

    def _parts(self, batch: Batch) -> int:
        """Return in how many equal parts to compute a batch: in more than the settings say if its texts are long.

        The number depends on the shape of the batch only, never on free memory, so a resumed run repeats it. Several
        processes share noise by the size of their parts, which must not change.
        """
        asked, count, objective = self._training.grad_accumulation, len(batch), self.objective
        adds_up = objective.likelihood_losses and objective.least_events == objective.batches_per_step == 1
        x = None if batch.length is None else batch.x
        if not (isinstance(x, Tensor) and adds_up and self._processes.count == 1):
            return asked
        least = max(asked, -(-x.numel() // MOST_SYMBOLS))
        return next((parts for parts in range(asked, count, asked) if parts >= least and not count % parts), count)

    def _backward(self, losses: Mapping[str, Tensor], parts: int, kept: dict[str, list[Tensor]]) -> None:
        if not isinstance(losses, Mapping):
            raise PluginError(
                f"The objective yields a value of type {type(losses).__name__}, and must yield a dict of losses "
                f"by parameter group, such as {{'generator': loss}}."
            )
        for place, (name, loss) in enumerate(losses.items(), start=1):
            if name not in self._groups:
                raise PluginError(f"The objective yields a loss for {name!r}; this model has {[*self._groups]}.")
            if loss.shape != ():
                raise PluginError(f"The objective's loss for {name!r} has the shape {tuple(loss.shape)}, not ().")
            if not loss.requires_grad:
                raise PluginError(f"The objective's loss for {name!r} depends on no parameter, so nothing can learn.")
            # Gradients add up over the parts and the processes, and should be gradients of the mean loss.
            summands = parts * self._processes.count
            share = loss / summands if summands > 1 else loss
            with explain_failure():
                self._groups[name].backward(share, retain_graph=place < len(losses))
            kept.setdefault(name, []).append(loss.detach())

    @torch.no_grad()
    def monitor(self, batch: Batch) -> Tensor | None:
        """Compute the objective's monitor on validation events, with the generator that would be kept."""
        model = self.model
        if self.ema is not None:
            model = model.with_generator(self.ema.module)
        model.eval()
        return self.objective.monitor(model, batch)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors that an exact resume needs."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        if self.ema is not None:
            tensors |= {f"ema.{name}": value for name, value in self.ema.module.state_dict().items()}
        for group, content in self._groups.items():
            tensors |= {f"optimizer.{group}.{name}": value for name, value in content.tensors().items()}
        return tensors

    def numbers(self) -> dict[str, Any]:
        """Return all other state that an exact resume needs."""
        return {"scalers": {name: group.numbers() for name, group in self._groups.items()}}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore the state that `tensors` and `numbers` returned.

        Raises:
            ArtifactError: the state belongs to another model.
        """
        load_tensors(self.model, strip_prefix(tensors, "model."))
        if self.ema is not None:
            load_tensors(self.ema.module, strip_prefix(tensors, "ema."))
        for name, group in self._groups.items():
            group.restore(strip_prefix(tensors, f"optimizer.{name}."), numbers["scalers"][name])


def _mean(losses: list[Tensor]) -> Tensor:
    return losses[0] if len(losses) == 1 else torch.stack(losses).mean()


@contextlib.contextmanager
def _unchecked_distributions() -> Iterator[None]:
    """Leave out the checks of torch's distributions: each reads numbers back, and so waits for the device.

    A model that diverges then has a loss of NaN, which the loop explains.
    """
    checked = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(checked)
