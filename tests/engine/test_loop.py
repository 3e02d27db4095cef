"""The engine beside loops written out by hand, in float64 where a tolerance means something."""

import copy
import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn
from toy_plugin import NegativeLogLikelihood, ToyGaussian

import genzoo
from genzoo.config.training import GradientTraining, ScheduleConfig
from genzoo.data.transforms import AffineTransform
from genzoo.engine.blocks import BlockLoader, read_rows
from genzoo.engine.dataloader import ResidentLoader, StreamingLoader, make_loader
from genzoo.engine.gradient import GradientEngine
from genzoo.engine.loss_buffer import LossBuffer
from genzoo.engine.optim import EMA
from genzoo.engine.sampler import Sampler
from genzoo.engine.schedule import Budget, lr_factor
from genzoo.errors import ConfigError, DivergenceError, PluginError
from genzoo.runtime.device import Runtime
from genzoo.runtime.seeding import random_scope
from genzoo.training.trainer import Trainer

CPU = torch.device("cpu")
EXACT = Runtime(CPU, "fp64")
ROWS = np.random.default_rng(0).normal(2.0, 3.0, (100, 2))
PLAIN = AffineTransform(torch.zeros(()), torch.ones(()))


def toy_engine(objective=None, runtime=EXACT, **training):
    model = genzoo.Model(genzoo.Parts(ToyGaussian((2,), 0.0))).to(runtime.dtype)
    settings = GradientTraining(**{"steps": 10, "batch_size": 20, "optimizer": {"lr": 0.1}, **training})
    return GradientEngine(model, objective or NegativeLogLikelihood(), settings, runtime)


def toy_feed(batch_size=20, seed=0, rows=None):
    return ResidentLoader(Sampler(np.arange(100) if rows is None else rows, batch_size, seed), ROWS, PLAIN, EXACT)


def run(engine, feed, steps, **options):
    return fit(engine, feed, Budget(steps, None), **options)


def fit(engine, loader, budget, **options):
    steps = []
    Trainer(engine, loader, budget, seed=0, **options).fit([steps.append])
    return steps


class Tiny(genzoo.Discriminator):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def forward(self, x):
        return self.linear(x.tanh())[:, 0]


class Alternating(genzoo.GradientObjective):
    """Discriminator first, then the generator under the discriminator's new weights; or both at once."""

    needs_discriminator = True

    def __init__(self, simultaneous):
        self.simultaneous = simultaneous

    def losses(self, model, batch, progress):
        discriminator = model.discriminator
        samples = model.generator.sample(len(batch))
        discriminator_loss = (discriminator(samples.detach()) - discriminator(batch.x)).mean()
        if self.simultaneous:
            yield {"discriminator": discriminator_loss, "generator": -discriminator(samples).mean()}
        else:
            yield {"discriminator": discriminator_loss}
            yield {"generator": -discriminator(model.generator.sample(len(batch))).mean()}


@pytest.mark.parametrize("simultaneous", [False, True])
def test_a_step_is_that_of_a_loop_written_by_hand(simultaneous):
    torch.manual_seed(0)
    model = genzoo.Model(genzoo.Parts(ToyGaussian((2,), 0.0), Tiny())).double()
    twin = copy.deepcopy(model)
    settings = GradientTraining(
        steps=6, batch_size=20, optimizer={"name": "sgd", "lr": 0.1}, param_groups={"discriminator": {"lr": 0.3}}
    )
    feed = toy_feed()
    steps = run(GradientEngine(model, Alternating(simultaneous), settings, EXACT), feed, 6)
    optimizers = {
        "generator": torch.optim.SGD(twin.generator.parameters(), 0.1),
        "discriminator": torch.optim.SGD(twin.discriminator.parameters(), 0.3),
    }
    for number, batch in enumerate(itertools.islice(feed.items(1), 6), start=1):
        with random_scope(0, "step", number):
            samples = twin.generator.sample(20)
            discriminator = twin.discriminator
            discriminator_loss = (discriminator(samples.detach()) - discriminator(batch.x)).mean()
            assert discriminator_loss.item() == pytest.approx(
                steps[number - 1].losses[0].values["discriminator"], rel=1e-12
            )
            if simultaneous:
                generator_loss = -discriminator(samples).mean()
                gradients = torch.autograd.grad(generator_loss, list(twin.generator.parameters()))
            discriminator.zero_grad()
            discriminator_loss.backward()
            optimizers["discriminator"].step()
            if not simultaneous:
                generator_loss = -discriminator(twin.generator.sample(20)).mean()
                gradients = torch.autograd.grad(generator_loss, list(twin.generator.parameters()))
            for parameter, gradient in zip(twin.generator.parameters(), gradients, strict=True):
                parameter.grad = gradient
            optimizers["generator"].step()
    for (name, mine), theirs in zip(model.named_parameters(), twin.parameters(), strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-12), name


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop"])
def test_each_optimiser_is_torchs_own(name):
    engine = toy_engine(
        optimizer={"name": name, "lr": 0.05, "weight_decay": 0.01, "momentum": 0.5, "betas": (0.8, 0.9)}
    )
    twin = copy.deepcopy(engine.model.generator)
    own = {
        "adam": lambda p: torch.optim.Adam(p, 0.05, (0.8, 0.9), weight_decay=0.01),
        "adamw": lambda p: torch.optim.AdamW(p, 0.05, (0.8, 0.9), weight_decay=0.01),
        "sgd": lambda p: torch.optim.SGD(p, 0.05, 0.5, weight_decay=0.01),
        "rmsprop": lambda p: torch.optim.RMSprop(p, 0.05, weight_decay=0.01, momentum=0.5),
    }[name](twin.parameters())
    feed = toy_feed()
    run(engine, feed, 8)
    for batch in itertools.islice(feed.items(1), 8):
        own.zero_grad()
        (-twin.log_prob(batch.x).mean()).backward()
        own.step()
    assert torch.allclose(engine.model.generator.mean, twin.mean, rtol=1e-10)
    assert torch.allclose(engine.model.generator.log_deviation, twin.log_deviation, rtol=1e-10)


def test_training_finds_the_maximum_likelihood_fit():
    engine = toy_engine(batch_size=100)
    run(engine, toy_feed(100), 400)
    assert np.allclose(engine.trained.mean.detach(), ROWS.mean(0), atol=1e-3)
    assert np.allclose(engine.trained.log_deviation.detach().exp(), ROWS.std(0), atol=1e-3)


def test_a_batch_computed_in_parts_gives_the_same_update():
    whole, parts = toy_engine(), toy_engine(grad_accumulation=5)
    run(whole, toy_feed(), 10)
    run(parts, toy_feed(), 10)
    assert torch.allclose(whole.trained.mean, parts.trained.mean, rtol=1e-12)
    assert whole.trained.calls == 10
    assert parts.trained.calls == 50


class Likely(NegativeLogLikelihood):
    likelihood_losses = ("generator",)


@pytest.mark.parametrize(
    ("objective", "rows", "asked", "parts"),
    [(Likely, 15, 1, 5), (Likely, 20, 4, 20), (NegativeLogLikelihood, 15, 1, 1)],
)
def test_long_texts_are_computed_in_parts_with_the_same_update(monkeypatch, objective, rows, asked, parts):
    monkeypatch.setattr("genzoo.engine.gradient.MOST_SYMBOLS", 8)  # of 30 or 40
    batch = genzoo.Batch(torch.from_numpy(ROWS[:rows]))
    whole, engine = toy_engine(objective()), toy_engine(objective(), grad_accumulation=asked)
    whole.update(batch, 1, 0.0)
    engine.update(dataclasses.replace(batch, length=torch.full((rows,), 2)), 1, 0.0)
    assert engine.trained.calls == parts
    assert torch.allclose(whole.trained.mean, engine.trained.mean, rtol=1e-12)


def test_parts_of_an_adversarial_batch_see_the_same_discriminator():
    """Each yield is one update of the whole batch: the generator's parts all meet the discriminator after its step."""
    seen = []

    class Watching(Alternating):
        def losses(self, model, batch, progress):
            for losses in super().losses(model, batch, progress):
                seen.append((next(iter(losses)), model.discriminator.linear.weight.detach().clone()))
                yield losses

    model = genzoo.Model(genzoo.Parts(ToyGaussian((2,), 0.0), Tiny())).double()
    settings = GradientTraining(steps=1, batch_size=20, grad_accumulation=4)
    run(GradientEngine(model, Watching(False), settings, EXACT), toy_feed(), 1)
    assert [name for name, _ in seen] == ["discriminator"] * 4 + ["generator"] * 4
    assert all(torch.equal(weight, seen[0][1]) for _, weight in seen[:4])
    assert all(torch.equal(weight, seen[4][1]) for _, weight in seen[4:])
    assert not torch.equal(seen[0][1], seen[4][1])


def test_training_differentiates_wherever_it_is_called():
    without, within = toy_engine(), toy_engine()
    run(without, toy_feed(), 3)
    with torch.no_grad():
        run(within, toy_feed(), 3)
        assert not torch.is_grad_enabled()
    assert torch.equal(within.trained.mean, without.trained.mean)
    assert not torch.equal(within.trained.mean, toy_engine().trained.mean)


def test_the_gradient_is_clipped_to_its_norm():
    engine = toy_engine(grad_clip=0.01, optimizer={"name": "sgd", "lr": 1.0})
    before = torch.cat([p.detach().clone().flatten() for p in engine.trained.parameters()])
    run(engine, toy_feed(), 1)
    after = torch.cat([p.detach().flatten() for p in engine.trained.parameters()])
    assert (after - before).norm().item() == pytest.approx(0.01, rel=1e-4)


def test_the_average_is_the_recurrence_of_its_definition():
    module = nn.BatchNorm1d(3).double()
    module.register_buffer("mask", torch.tensor([0.0, -torch.inf]), persistent=False)
    average = EMA(module, 0.9)
    expected = {name: value.detach().clone() for name, value in module.state_dict().items()}
    for step in range(1, 120):
        module(torch.randn(8, 3, dtype=torch.float64) + step)
        with torch.no_grad():
            module.weight += 0.1
        average.update(step)
        decay = min(0.9, (1 + step) / (5 + step))
        for name, value in module.state_dict().items():
            averaged = name in ("weight", "bias")
            expected[name] = decay * expected[name] + (1 - decay) * value if averaged else value
    for name, value in average.module.state_dict().items():
        assert torch.allclose(value, expected[name], rtol=1e-10), name
    assert average.module.num_batches_tracked == 119
    assert average.module.mask.tolist() == [0.0, -torch.inf]
    assert not average.module.training


def test_the_average_follows_buffers_that_are_replaced():
    module = nn.Linear(2, 2)
    module.register_buffer("points", torch.zeros(0, 2))
    average = EMA(module, 0.9)
    module.points = torch.ones(3, 2)
    average.update(1)
    assert average.module.points.tolist() == [[1.0, 1.0]] * 3
    module.points += 1
    assert average.module.points.sum() == 6  # a copy of its own


def test_what_is_kept_is_the_average_where_there_is_one():
    engine = toy_engine(ema=0.9)
    run(engine, toy_feed(), 5)
    assert engine.trained is not engine.model.generator
    assert not torch.equal(engine.trained.mean, engine.model.generator.mean)


def test_schedules_warm_up_and_decay_to_their_floor():
    cosine = ScheduleConfig(name="cosine", warmup=10, floor=0.1)
    assert lr_factor(cosine, 5, 0.0) == pytest.approx(0.5)
    assert lr_factor(cosine, 50, 0.5) == pytest.approx(0.1 + 0.9 * 0.5)
    assert lr_factor(cosine, 50, 1.0) == pytest.approx(0.1)
    assert lr_factor(ScheduleConfig(name="linear"), 1, 0.25) == pytest.approx(0.75)
    assert lr_factor(ScheduleConfig(name="quadratic", floor=0.2), 1, 0.5) == pytest.approx(0.2 + 0.8 * 0.25)
    assert lr_factor(ScheduleConfig(), 1, 0.9) == 1.0


def test_the_schedule_reaches_the_optimiser():
    engine = toy_engine(optimizer={"name": "sgd", "lr": 1.0}, schedule={"name": "linear"}, grad_clip=1e-4)
    moves, last = [], nn.utils.parameters_to_vector(engine.trained.parameters()).detach()

    def watch(_):
        nonlocal last
        now = nn.utils.parameters_to_vector(engine.trained.parameters()).detach()
        moves.append((now - last).norm().item() / 1e-4)
        last = now

    Trainer(engine, toy_feed(), Budget(10, None), seed=0).fit([watch])
    assert moves == pytest.approx([1.0 - n / 10 for n in range(10)], rel=1e-2)


def test_budgets_end_at_whichever_comes_first():
    assert Budget.of(GradientTraining(epochs=2.5), 10) == Budget(25, None)
    assert Budget.of(GradientTraining(epochs=2, steps=7, minutes=0.5), 10) == Budget(7, 30.0)
    assert Budget(10, 100.0).spent(5, 80.0) == 0.8
    steps = fit(toy_engine(), toy_feed(), Budget(None, 0.15))
    assert steps[-1].last
    assert steps[-1].seconds >= 0.15
    assert not any(step.last for step in steps[:-1])


def test_steps_tell_where_they_stand():
    steps = run(toy_engine(), toy_feed(), 12)
    assert [step.number for step in steps] == list(range(1, 13))
    assert [step.epoch for step in steps] == [1] * 5 + [2] * 5 + [3] * 2
    assert [step.number for step in steps if step.ends_epoch] == [5, 10]
    assert [step.fraction for step in steps] == [n / 12 for n in range(1, 13)]
    assert [record.step for step in steps for record in step.losses] == list(range(1, 13))


def test_training_leaves_the_callers_random_state_alone():
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    run(toy_engine(), toy_feed(), 3)
    assert torch.equal(torch.randn(3), expected)


def test_a_loss_that_is_not_finite_ends_training():
    class Bad(NegativeLogLikelihood):
        def losses(self, model, batch, progress):
            for losses in super().losses(model, batch, progress):
                yield {"generator": losses["generator"] / (progress.step < 3)}

    with pytest.raises(DivergenceError, match="generator loss was inf at step 3"):
        run(toy_engine(Bad()), toy_feed(), 10)


def test_losses_arrive_in_blocks_each_once_and_in_order():
    buffer = LossBuffer(torch.device("cuda"), 4)  # as on CUDA, with the copies made on the host
    buffer._device = CPU
    arrived = []
    for step in range(1, 11):
        new = buffer.add(step, {"a": torch.tensor(float(step)), "b": torch.tensor(-1.0)})
        assert not new or step in (8,), "a block arrives when the next one leaves"
        arrived += new
    arrived += buffer.flush()
    assert [(r.step, r.values["a"]) for r in arrived] == [(n, float(n)) for n in range(1, 11)]
    assert buffer.flush() == []
    assert buffer.add(11, {"a": torch.tensor(11.0)}) == []
    early = buffer.add(12, {"a": torch.tensor(12.0), "c": torch.tensor(0.0)})
    assert [(r.step, list(r.values)) for r in early] == [(11, ["a"])], "other losses begin another block"


def test_an_objective_that_breaks_its_contract_is_blamed():
    class Wrong(NegativeLogLikelihood):
        def losses(self, model, batch, progress):
            yield {"decoder": model.generator.mean.sum()}

    class Whole(NegativeLogLikelihood):
        def losses(self, model, batch, progress):
            yield {"generator": -model.generator.log_prob(batch.x)}

    class Silent(NegativeLogLikelihood):
        def losses(self, model, batch, progress):
            yield from ()

    class Failing(NegativeLogLikelihood):
        def losses(self, model, batch, progress):
            raise KeyError("theirs")

    for objective, word in ((Wrong, "'decoder'"), (Whole, r"\(20,\)"), (Silent, "no loss"), (Failing, "theirs")):
        with pytest.raises(PluginError, match=word):
            run(toy_engine(objective()), toy_feed(), 1)
    with pytest.raises(ConfigError, match="no discriminator"):
        toy_engine(Alternating(True))
    with pytest.raises(ConfigError, match="'discriminators'"):
        toy_engine(param_groups={"discriminators": {"lr": 1}})


def test_an_epoch_sees_every_row_at_most_once_and_epochs_differ():
    order = Sampler(np.arange(0, 200, 2), 30, seed=3)
    assert order.steps_per_epoch == 3
    seen = [batch.index for batch in itertools.islice(toy_feed(30, rows=np.arange(0, 100)).items(1), 6)]
    first, second = torch.cat(seen[:3]), torch.cat(seen[3:])
    assert len(set(first.tolist())) == 90
    assert not torch.equal(first, second)
    assert sorted(order.epoch(0)) == list(range(0, 200, 2))


def test_a_feed_begins_anywhere_with_the_batch_of_that_step():
    whole = list(itertools.islice(toy_feed(30).items(1), 8))
    for first in (2, 4, 7):
        later = next(toy_feed(30).items(first))
        assert torch.equal(later.x, whole[first - 1].x)
        assert torch.equal(later.index, whole[first - 1].index)


def test_a_streaming_feed_gives_the_batches_of_a_resident_one(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    order = Sampler(np.arange(10, 90), 16, 0)
    transform = AffineTransform(torch.tensor(2.0), torch.tensor(3.0))
    resident = ResidentLoader(order, ROWS, transform, EXACT)
    stream = StreamingLoader(order, np.load(tmp_path / "rows.npy", mmap_mode="r"), transform, EXACT)
    batches = stream.items(3)
    for one, two in itertools.islice(zip(resident.items(3), batches, strict=False), 20):
        assert torch.equal(one.x, two.x)
        assert torch.equal(one.index, two.index)
        assert torch.allclose(one.x, (torch.as_tensor(ROWS)[one.index] - 2) / 3)
    batches.close()


def test_a_failing_read_reaches_the_training_thread():
    class Broken:
        dtype, shape = ROWS.dtype, ROWS.shape

        def __getitem__(self, rows):
            raise OSError("the disk is gone")

    stream = StreamingLoader(Sampler(np.arange(100), 10, 0), Broken(), PLAIN, EXACT)
    with pytest.raises(OSError, match="the disk is gone"):
        next(stream.items(1))


def test_rows_on_disk_are_shuffled_in_stretches_and_none_is_lost():
    order = Sampler(np.arange(10_000), 10, seed=0, block=256)
    epoch = order.epoch(0)
    assert np.array_equal(np.sort(epoch), np.arange(10_000))
    assert np.abs(np.diff(epoch)).mean() > 500
    assert len(np.unique(epoch[:4096] // 256)) == 16, "a window reads sixteen stretches"


def test_data_that_fit_are_resident_and_others_stream(monkeypatch):
    data = genzoo.Dataset("x", genzoo.DataSpec((2,), "table", (genzoo.Feature("a"), genzoo.Feature("b"))), ROWS)
    assert isinstance(make_loader(data, np.arange(100), 10, 0, PLAIN, EXACT), ResidentLoader)
    monkeypatch.setattr("genzoo.engine.resident._free_bytes", lambda device: 1000)
    assert isinstance(make_loader(data, np.arange(100), 10, 0, PLAIN, EXACT), StreamingLoader)


def test_the_order_of_rows_does_not_depend_on_free_memory(monkeypatch, tmp_path):
    np.save(tmp_path / "rows.npy", np.arange(2000.0)[:, None])
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    data = genzoo.Dataset("x", genzoo.DataSpec((1,), "table", (genzoo.Feature("a"),)), mapped)
    feeds = [make_loader(data, np.arange(2000), 100, 0, PLAIN, EXACT)]
    monkeypatch.setattr("genzoo.engine.resident._free_bytes", lambda device: 0)
    feeds.append(make_loader(data, np.arange(2000), 100, 0, PLAIN, EXACT))
    assert [type(feed) for feed in feeds] == [ResidentLoader, StreamingLoader]
    one, two = (feed.items(1) for feed in feeds)
    for _ in range(45):
        assert torch.equal(next(one).x, next(two).x)
    two.close()


def test_blocks_give_every_row_once():
    data = genzoo.Dataset("x", genzoo.DataSpec((2,), "table", (genzoo.Feature("a"), genzoo.Feature("b"))), ROWS)
    blocks = BlockLoader(data, np.arange(5, 50), 20, PLAIN, EXACT)
    batches = list(blocks)
    assert len(list(blocks)) == 3, "as often as it is asked"
    assert [len(batch) for batch in batches] == [20, 20, 5]
    assert torch.equal(torch.cat([batch.x for batch in batches]), torch.as_tensor(ROWS[5:50]))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16", "fp64"])
def test_every_precision_learns(precision):
    engine = toy_engine(runtime=Runtime(CPU, precision), batch_size=100)
    feed = ResidentLoader(Sampler(np.arange(100), 100, 0), ROWS, PLAIN, Runtime(CPU, precision))
    run(engine, feed, 300)
    assert np.allclose(engine.trained.mean.detach(), ROWS.mean(0), atol=0.15)


def test_each_group_has_a_loss_scaler_of_its_own_in_fp16():
    engine = toy_engine(runtime=Runtime(CPU, "fp16"))
    assert set(engine.numbers()["scalers"]["generator"]) >= {"scale", "growth_factor"}
    assert toy_engine().numbers() == {"scalers": {"generator": {}}}


def test_a_batch_divides_into_equal_parts():
    batch = genzoo.Batch(torch.arange(6.0)[:, None], weight=torch.ones(6), index=torch.arange(6))
    parts = batch.chunk(3)
    assert [part.index.tolist() for part in parts] == [[0, 1], [2, 3], [4, 5]]
    assert all(part.missing is None for part in parts)
    with pytest.raises(ValueError, match="6 events"):
        batch.chunk(4)
    assert math.isclose(sum(float(part.weight.sum()) for part in parts), 6)


HOLES = np.where(np.random.default_rng(1).random(ROWS.shape) < 0.2, np.nan, ROWS)
PLANE = genzoo.DataSpec((2,), "table", (genzoo.Feature("a"), genzoo.Feature("b")))
GAPPY = genzoo.DataSpec((2,), "table", (genzoo.Feature("a"), genzoo.Feature("b")), missing=True)


def test_missing_places_hold_zero_and_are_marked_in_every_feed(monkeypatch):
    data = genzoo.Dataset("x", GAPPY, HOLES)
    transform = AffineTransform(torch.tensor(2.0), torch.tensor(3.0))
    batches = [*BlockLoader(data, np.arange(100), 30, transform, EXACT)]
    for free in (10**9, 0):
        monkeypatch.setattr("genzoo.engine.resident._free_bytes", lambda device, free=free: free)
        items = make_loader(data, np.arange(100), 25, 0, transform, EXACT).items(1)
        batches += itertools.islice(items, 4)
        items.close()
    for batch in batches:
        rows = HOLES[batch.index]
        assert np.array_equal(batch.missing, np.isnan(rows))
        assert np.allclose(batch.x, np.where(np.isnan(rows), 0.0, (rows - 2) / 3))


def test_weights_reach_the_batches_of_a_pass():
    weights = np.arange(100)
    batches = list(
        BlockLoader(genzoo.Dataset("x", PLANE, ROWS, weights=weights), np.arange(3, 80, 2), 20, PLAIN, EXACT)
    )
    assert np.array_equal(torch.cat([batch.weight for batch in batches]), np.arange(3.0, 80, 2))
    assert batches[0].missing is None
    assert all(
        batch.weight is None for batch in BlockLoader(genzoo.Dataset("x", PLANE, ROWS), np.arange(9), 5, PLAIN, EXACT)
    )


def test_a_stretch_of_rows_is_read_without_copying_where_it_may_be(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    for rows in (np.arange(10, 20), np.array([1, 5, 9]), np.array([7])):
        assert np.array_equal(read_rows(mapped, rows), ROWS[rows])
    assert np.shares_memory(read_rows(ROWS, np.arange(10, 20)), ROWS)
    assert read_rows(mapped, np.arange(10, 20)).flags.writeable


def test_a_step_leaves_the_checks_of_distributions_out(monkeypatch):
    monkeypatch.setattr(torch.distributions.Distribution, "_validate_args", True)  # torch's compiler switches it off

    class Checked(NegativeLogLikelihood):
        def losses(self, model, batch, progress):
            mean = model.generator.mean / 0 * 0  # NaN, as in a model that diverges
            yield {"generator": -torch.distributions.Normal(mean, 1.0).log_prob(batch.x).mean()}

    engine = toy_engine(Checked())
    losses = engine.update(genzoo.Batch(torch.zeros(20, 2, dtype=torch.float64)), 1, 0.0)
    assert losses["generator"].isnan()
    with pytest.raises(ValueError, match="Expected parameter loc"):  # elsewhere they stay on
        torch.distributions.Normal(torch.tensor(math.nan), 1.0)
