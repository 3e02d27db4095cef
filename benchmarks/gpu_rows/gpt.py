"""GPT of 124 million weights on long texts of as many tokens as GPT-2 has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import genzoo
from genzoo.config.run_config import RunConfig
from genzoo.config.training import GradientTraining
from genzoo.engine.muon import hidden_matrices
from genzoo_text.gpt import GPT
from gpu_rows.gradient import GradientRow, PlainStep
from gpu_rows.row import Place

_TOKENS, _LONGEST = 50_257, 1024
_SHORT_TOKENS, _SHORT_LONGEST = 300, 24


@dataclass(frozen=True, kw_only=True)
class LargeGPT(GradientRow):
    """Cross-entropy of whole texts, with Muon as torch has it in the plain loop."""

    model: str = "gpt"
    shape: tuple[int, int, int] = (1, 1, _LONGEST)
    rows: int = 8192
    settings: dict[str, Any] = field(default_factory=lambda: {"layers": 12, "heads": 12, "width": 768})

    unit = "tokens/s"

    def sizes(self, place: Place) -> tuple[int, int]:
        """The number of different tokens, and of tokens in a text."""
        return (_SHORT_TOKENS, _SHORT_LONGEST) if place.short else (_TOKENS, _LONGEST)

    def describe(self, place: Place) -> str:
        tokens, longest = self.sizes(place)
        return f"`gpt`, batch {self.batch_size(place)} of {longest} tokens, {tokens} different ones"

    def spec(self, place: Place) -> genzoo.DataSpec:
        tokens, longest = self.sizes(place)
        names = tuple(str(token) for token in range(tokens))
        storage = "int16" if place.short else "int32"
        return genzoo.DataSpec((longest,), "text", (genzoo.Feature("token", "categorical", names),), storage=storage)

    def data(self, place: Place) -> np.ndarray[Any, Any]:
        tokens, longest = self.sizes(place)
        rows = 4 * self.short_batch if place.short else self.rows
        return np.random.default_rng(0).integers(0, tokens, (rows, longest), dtype=np.int32)

    def config(self, place: Place) -> RunConfig:
        found = super().config(place)
        if not place.short:
            return found
        return found.model_copy(update={"options": {**found.options, "layers": 2, "heads": 2, "width": 16}})

    def figure(self, place: Place, seconds: float) -> float:
        return self.batch_size(place) * self.sizes(place)[1] / seconds

    def plain_step(self, place: Place, model: genzoo.Model, config: RunConfig, compiled: bool) -> PlainStep:
        generator, training = model.generator, config.training
        assert isinstance(generator, GPT)
        assert isinstance(training, GradientTraining)
        settings, runtime = training.optimizer, self.runtime(place)
        matrices = hidden_matrices(generator)
        others = [parameter for parameter in generator.parameters() if parameter not in matrices]
        optimizers = (
            torch.optim.Muon(
                [parameter for parameter in generator.parameters() if parameter in matrices],
                settings.lr,
                settings.weight_decay,
                settings.betas[0],
                adjust_lr_fn="match_rms_adamw",
            ),
            torch.optim.AdamW(others, settings.lr, settings.betas, weight_decay=settings.weight_decay, fused=True),
        )
        end, network, done, budget = self.sizes(place)[0], generator.network, 0, training.steps or 10_000

        def loss(texts: Tensor) -> Tensor:
            logits = network.logits(network(F.pad(texts[:, :-1], (1, 0), value=end)))
            return F.cross_entropy(logits.flatten(0, 1), texts.flatten(), reduction="sum") / len(texts)

        evaluate = place.compile(loss) if compiled else loss

        def step(texts: Tensor) -> None:
            nonlocal done
            share = 1 - done / budget
            done += 1
            with runtime.autocast():
                value = evaluate(texts.long())
            value.backward()
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = settings.lr * (training.schedule.floor + (1 - training.schedule.floor) * share)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)

        return step
