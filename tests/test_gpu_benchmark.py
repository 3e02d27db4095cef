"""What `benchmarks/gpu.py` claims can be checked without a GPU: its arithmetic, its page, and that both sides agree."""

import dataclasses
import importlib
import time
from pathlib import Path

import pytest
import torch
from torch import nn

import genzoo
from genzoo.models.factory import build_model
from genzoo.plugins.manager import get_registry
from genzoo.training.setup import build_setup

FOLDER = Path(__file__).parents[1] / "benchmarks"
COMPILED = [False, pytest.param(True, marks=pytest.mark.full)]
PAGE = """# Title

Explanation.

<!-- results: written by benchmarks/gpu.py -->

No run recorded yet.

<!-- end of results -->
"""


class Benchmark:
    """The modules of the benchmark, by name."""

    def __getattr__(self, name):
        return importlib.import_module(name if name == "gpu" else f"gpu_rows.{name}")


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return Benchmark()


@pytest.fixture
def place(bench):
    return bench.row.Place(torch.device("cpu"), short=True)


def make_row(bench, **methods):
    """A row of the class `Row` that counts to a number."""

    def counter(*_, **__):
        x = torch.zeros(1)
        return bench.row.Contender(lambda steps: x.add_(steps), lambda: {"x": x})

    defaults = {
        "describe": lambda self, place: "counts",
        "data": lambda self, place: None,
        "genzoo": counter,
        "plain": counter,
        "work": lambda self, place, data, plain: bench.limits.Work(1.0, 1.0),
        "precision": lambda self, place: "fp32",
        "figure": lambda self, place, seconds: 1 / seconds,
    }
    return type("Counting", (bench.row.Row,), {**defaults, **methods})(name="counting", seconds=1.0)


def machine(bench, name, date="2026-01-31"):
    return bench.page.Machine(name, {"genzoo": "1", "torch": "2"}, "Limits: few.", date)


def line(bench, row, figure):
    texts = dict.fromkeys(bench.page.COLUMNS, "–")
    return {**texts, "row": f"`{row}`", "genzoo": figure}


def test_shares_equal_those_computed_by_hand(bench):
    limits = bench.limits.Limits(flops=1e12, bandwidth=1e9, launch=1e-5)
    shares = bench.limits.shares(
        bench.limits.Work(2e9, 3e6), limits, bench.limits.Launches(kernels=150, graphs=50), 0.004
    )
    assert shares == pytest.approx({"arithmetic": 0.5, "bandwidth": 0.75, "launches": 0.5})
    assert "launches" not in bench.limits.shares(bench.limits.Work(2e9, 3e6), limits, None, 0.004)


def test_counted_work_equals_that_computed_by_hand(bench):
    network, x = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.randn(5, 4)
    work = bench.limits.count_gradient_work([network], lambda: network(x).sum().backward())
    forward, weights, inputs = 2 * 5 * (4 * 3 + 3 * 2), 2 * 5 * (4 * 3 + 3 * 2), 2 * 5 * 3 * 2
    assert work.flops == forward + weights + inputs
    assert work.bytes == 5 * 4 * (5 * 3 + 5 * 2) + 40 * (4 * 3 + 3 + 3 * 2 + 2)


def test_work_of_a_pass_of_em_equals_that_computed_by_hand(bench):
    row = next(row for row in bench.rows.ROWS if row.name == "gmm-diagonal-1m")
    whole = bench.row.Place(torch.device("cpu"), short=False)
    # Log-densities and sums: each a product with the values and one with their squares, 2 operations per number.
    assert row.work(whole, None, None) == bench.limits.Work(2 * 2 * 2 * 1e6 * 64 * 64, 4 * 1e6 * 64)


def test_launches_of_a_step_count_kernels_copies_and_graphs(bench):
    counts = {"cudaLaunchKernel": 6, "cuLaunchKernelEx": 3, "cudaMemcpyAsync": 3, "cudaGraphLaunch": 9, "aten::mm": 3}
    assert bench.limits.launches_of(counts, 3) == bench.limits.Launches(kernels=4, graphs=3)
    assert bench.limits.launches_of({"aten::mm": 3}, 3) is None


def test_memory_and_launches_of_a_gpu_reach_the_page(bench, place, monkeypatch):
    """A CPU stands in for the GPU."""
    monkeypatch.setattr(bench.row.Place, "on_gpu", True)
    monkeypatch.setattr(bench.measure, "count_launches", lambda advance: bench.limits.Launches(12, 2))
    for name in ("synchronize", "reset_peak_memory_stats", "empty_cache"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: None)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda *_: 2 * 2**20)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda *_: 5 * 2**20)
    row = make_row(bench)
    result = bench.measure.measure(row, place, bench.limits.Limits(1e9, 1e9, 1e-9), time.monotonic() + 9)
    cells = bench.page.cells(row, place, result, machine(bench, "NVIDIA H100"))
    assert cells["peak memory, MiB"] == "3 / 3 / 3"
    assert cells["launches per step"] == "12 + 2"
    assert "launches" in cells["share of the limit"]


def test_page_keeps_explanation_machines_and_other_rows(bench, tmp_path):
    page = tmp_path / "performance.md"
    page.write_text(PAGE, encoding="utf-8")
    bench.page.update(page, machine(bench, "NVIDIA H100"), line(bench, "one", "1 image/s"))
    bench.page.update(page, machine(bench, "NVIDIA H100"), line(bench, "two", "2 images/s"))
    bench.page.update(page, machine(bench, "NVIDIA A100"), line(bench, "one", "3 images/s"))
    bench.page.update(page, machine(bench, "NVIDIA H100", "2026-02-01"), line(bench, "one", "4 images/s"))
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Title\n\nExplanation.\n")
    assert text.endswith("<!-- end of results -->\n")
    assert "No run recorded yet." not in text
    assert text.count("### NVIDIA H100\n") == text.count("### NVIDIA A100\n") == 1
    first, second = text.split("### NVIDIA A100")
    assert [words.split(" | ")[:3:2] for words in first.splitlines() if words.startswith("| `")] == [
        ["| `one`", "4 images/s"],
        ["| `two`", "2 images/s"],
    ]
    assert "2026-02-01" in first
    assert "3 images/s" in second
    assert [path.name for path in tmp_path.iterdir()] == ["performance.md"]


def test_page_is_begun_if_there_is_none(bench, tmp_path):
    page = tmp_path / "new" / "page.md"
    bench.page.update(page, machine(bench, "NVIDIA H100"), line(bench, "one", "a | b"))
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Performance\n")
    assert "a \\| b" in text


def test_committed_page_has_the_marks_and_names_every_column(bench):
    text = (FOLDER.parent / "docs" / "performance.md").read_text(encoding="utf-8")
    assert text.count(bench.page.BEGIN) == text.count(bench.page.END) == 1
    explained = text.partition("## What the columns mean")[2].partition("There are three limits")[0]
    for column in bench.page.COLUMNS[2:]:
        assert column.partition(",")[0] in explained


def test_a_contender_that_fails_is_recorded_and_the_others_go_on(bench, place):
    def fail(*_, **__):
        raise RuntimeError("no | memory\nand more")

    result = bench.measure.measure(
        make_row(bench, genzoo=fail), place, bench.limits.Limits(1, 1, 1), time.monotonic() + 9
    )
    row = bench.page.cells(make_row(bench), place, result, machine(bench, "NVIDIA H100"))
    assert row["genzoo"] == "failed: RuntimeError: no | memory"
    assert row["eager loop"].endswith(" images/s")
    assert row["genzoo / eager"] == "–"


def test_a_failing_row_is_written_and_the_next_one_runs(bench, place, tmp_path, capsys):
    def fail(*_):
        raise ValueError("no data")

    rows = [make_row(bench, data=fail), dataclasses.replace(make_row(bench), name="other")]
    skipped, failed = bench.gpu.run(rows, place, 60.0, tmp_path / "page.md")
    assert (skipped, failed) == ([], ["counting"])
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "| `counting` | counts | failed: ValueError: no data |" in text
    assert "| `other` | counts |" in text
    assert "failed: ValueError: no data" in capsys.readouterr().out


def test_rows_beyond_the_budget_are_named_and_not_run(bench, place, tmp_path):
    whole = dataclasses.replace(place, short=False)
    skipped, failed = bench.gpu.run([make_row(bench)], whole, 0.5, tmp_path / "page.md")
    assert (skipped, failed) == (["counting"], [])
    assert not (tmp_path / "page.md").exists()


def test_bits_that_differ_between_two_runs_are_seen(bench, place):
    starts = iter((0.0, 1.0))

    def drifting(*_):
        x = torch.full((1,), next(starts))
        return bench.row.Contender(lambda steps: x.add_(steps), lambda: {"x": x})

    limits, later = bench.limits.Limits(1, 1, 1), time.monotonic() + 9
    assert bench.measure.measure(make_row(bench), place, limits, later).repeats is True
    assert bench.measure.measure(make_row(bench, genzoo=drifting), place, limits, later).repeats is False


@pytest.mark.parametrize(
    ("name", "short", "step", "ratio", "bar"),
    [
        ("NVIDIA H100 80GB HBM3", False, 1e-3, 4.5, "≥ 150,000 images/s: reached; ≥ 4× eager: reached"),
        ("NVIDIA H200", False, 2e-3, 3.5, "≥ 150,000 images/s: missed; ≥ 4× eager: missed"),
        ("NVIDIA H200", True, 1e-3, 4.5, "–"),
        ("NVIDIA A100-SXM4-80GB", False, 1e-3, 4.5, "–"),
    ],
)
def test_bars_are_for_full_sizes_on_an_h100_or_h200(bench, place, name, short, step, ratio, bar):
    row = next(row for row in bench.rows.ROWS if row.name == "dcgan-tutorial-256")
    timing = bench.measure.Timing(step, 1.0, None)
    result = bench.measure.Result(timings={"genzoo": timing}, ratios={"eager": ratio})
    place = dataclasses.replace(place, short=short)
    assert bench.page.cells(row, place, result, machine(bench, name))["bar"] == bar


def test_a_bar_of_seconds_is_reached_from_below(bench, place):
    row = next(row for row in bench.rows.ROWS if row.name == "gmm-diagonal-1m")
    for step, word in ((0.002, "reached"), (0.004, "missed")):
        result = bench.measure.Result(timings={"genzoo": bench.measure.Timing(step, 1.0, None)})
        assert bench.page.bars(row, place, result) == f"≤ 0.3 s for 100 passes: {word}"


@pytest.mark.parametrize("compiled", COMPILED)
@pytest.mark.parametrize("name", ["gmm-full-100k", "gmm-diagonal-1m"])
def test_plain_em_ends_where_genzoo_does(bench, place, name, compiled):
    row = next(row for row in bench.rows.ROWS if row.name == name)
    data = row.data(place)
    ours, plain = row.genzoo(place, data), row.plain(place, data, compiled=compiled)
    for contender in (ours, plain):
        contender.advance(3)
    found, expected = ours.state(), plain.state()
    assert torch.allclose(found["model.generator.log_weights"].exp(), expected["weights"], atol=1e-6)
    assert torch.allclose(found["model.generator.emissions.0.means"], expected["means"], atol=1e-4)


@pytest.mark.parametrize("compiled", COMPILED)
@pytest.mark.parametrize("name", ["frechet-50k", "mmd-50k", "neighbors-50k"])
def test_plain_metrics_equal_genzoos(bench, place, name, compiled):
    row = next(row for row in bench.rows.ROWS if row.name == name)
    data = row.data(place)
    contenders = [row.genzoo(place, data), row.plain(place, data, compiled=compiled)]
    for contender in contenders:
        contender.advance(1)
    ours, plain = (contender.state() for contender in contenders)
    assert {name: float(score) for name, score in plain.items()} == pytest.approx(
        {name: float(score) for name, score in ours.items()}, rel=1e-4, abs=1e-6
    )


@pytest.mark.parametrize("compiled", COMPILED)
@pytest.mark.parametrize("name", ["dcgan-tutorial-256", "dcgan-64x64", "vae-512"])
def test_a_plain_step_equals_one_of_the_engine(bench, place, name, compiled, monkeypatch):
    torch.compiler.reset()
    monkeypatch.setattr("genzoo.runtime.device.has_native_bf16", lambda device: False)
    row = next(row for row in bench.rows.ROWS if row.name == name)
    row = dataclasses.replace(row, shape=(row.shape[0], 8, 8), short_batch=4)
    data = row.data(place)
    setup = build_setup(row.config(place), genzoo.Dataset("noise", row.spec(place), data))
    model, config = row.networks(place)
    model.load_state_dict(setup.engine.model.state_dict())
    start = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
    images = torch.from_numpy(data[:4])
    x = setup.transform(images.float()).contiguous(memory_format=torch.channels_last)
    torch.manual_seed(3)
    setup.engine.update(genzoo.Batch(x), 1, 0.0)
    torch.manual_seed(3)
    row.plain_step(place, model, config, compiled)(images)
    ours, plain = (torch.cat([p.detach().flatten() for p in m.parameters()]) for m in (setup.engine.model, model))
    # Adam's first update is the sign of a gradient, which rounding decides where that is almost zero.
    assert (ours - plain).norm() < 0.01 * (ours - start).norm()


def test_a_plain_step_of_gpt_equals_one_of_the_engine(bench, place, monkeypatch):
    monkeypatch.setattr("genzoo.runtime.device.has_native_bf16", lambda device: False)
    row = next(row for row in bench.rows.ROWS if row.name == "gpt-124m")
    data = row.data(place)
    setup = build_setup(row.config(place), genzoo.Dataset("noise", row.spec(place), data))
    model, config = row.networks(place)
    model.load_state_dict(setup.engine.model.state_dict())
    start = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
    texts = torch.from_numpy(data[:2])
    setup.engine.update(genzoo.Batch(texts.float()), 1, 0.0)
    row.plain_step(place, model, config, compiled=False)(texts)
    ours, plain = (torch.cat([p.detach().flatten() for p in m.parameters()]) for m in (setup.engine.model, model))
    assert (ours - plain).norm() < 0.05 * (ours - start).norm()  # torch's Muon always computes in bfloat16


def test_the_row_of_gpt_has_124_million_weights(bench, place):
    row = next(row for row in bench.rows.ROWS if row.name == "gpt-124m")
    whole = dataclasses.replace(place, short=False)
    with torch.device("meta"):
        generator = build_model(get_registry().models.get("gpt"), row.config(whole).options, row.spec(whole)).generator
    assert sum(parameter.numel() for parameter in generator.parameters()) == pytest.approx(124e6, rel=0.005)
    assert row.figure(whole, 2.0) == row.batch * 1024 / 2


def test_a_plain_step_of_diffusion_equals_the_engines(bench, place, monkeypatch):
    monkeypatch.setattr("genzoo.runtime.device.has_native_bf16", lambda device: False)
    row = next(row for row in bench.rows.ROWS if row.name == "diffusion-512")
    row = dataclasses.replace(row, shape=(1, 8, 8))
    data = row.data(place)
    setup = build_setup(row.config(place), genzoo.Dataset("noise", row.spec(place), data))
    model, config = row.networks(place)
    model.load_state_dict(setup.engine.model.state_dict())
    start = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
    images = torch.from_numpy(data[:4])
    torch.manual_seed(3)
    setup.engine.update(genzoo.Batch(bench.gradient.scaled(images, 127.5, 73.9)), 1, 0.0)
    torch.manual_seed(3)
    row.plain_step(place, model, config, compiled=False)(images)
    ours, plain = (torch.cat([p.detach().flatten() for p in m.parameters()]) for m in (setup.engine.model, model))
    assert (ours - plain).norm() < 0.01 * (ours - start).norm()


def test_plain_samples_of_diffusion_equal_genzoos(bench, place):
    row = next(row for row in bench.rows.ROWS if row.name == "diffusion-samples")
    row = dataclasses.replace(row, shape=(1, 8, 8))
    found = []
    for build in (row.genzoo, lambda *given: row.plain(*given, compiled=False)):
        contender = build(place, None)
        contender.advance(1)
        found.append(contender.state()["samples"])
    assert torch.allclose(*found, atol=1e-4)
