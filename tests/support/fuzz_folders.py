"""A mutation fuzzer over model folders, run directories and comparisons.

Usage: python tests/support/fuzz_folders.py [MUTANTS] [SEED].

Every mutant goes through `genzoo.load` and what follows it, and sometimes through the command line. The result must be
events or scores, or a documented error. A traceback, a warning, another exception or five seconds of work is a failure.
It is reported with the number that makes the same mutant again.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib.util
import io
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hostile
import numpy as np
import torch

import genzoo
from genzoo.cli.main import main
from genzoo.persistence.run import Run
from genzoo.reports.formats import read_report
from genzoo.reports.samples import read_page_samples

SYMBOLS = f"{Path(__file__).with_name('symbols.py')}:Symbols"
"""A model of texts in a file."""

RUNS = Path(__file__).parents[1] / "data" / "runs" / "0.1"
SECONDS = 5.0
ODD, STALE = 0.06, 0.15
"""Shares of mutants with something other than a file at its path, and of mutants with an outdated digest."""

COMMANDS = 0.04
"""Share of mutants that go through the command line, which takes longer."""

ALLOWED = {0, 4}
"""Exit codes that a command on an untrusted folder may return."""


class Hang(BaseException):
    """A mutant took too long."""


@dataclass
class Case:
    """A folder to mutate.

    Arguments:
        files: its files.
        words: a command line on it, with `RUN` for the folder.
        ask: what is done with the folder from Python.
    """

    name: str
    files: hostile.Files
    words: tuple[tuple[str, ...], ...]
    ask: Callable[[Path], Any]


@dataclass
class Tally:
    """The outcomes of the mutants."""

    targets: Counter[str] = field(default_factory=Counter)
    digests: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    hangs: int = 0
    slowest: float = 0.0

    @property
    def fresh(self) -> float:
        return self.digests["fresh"] / max(1, sum(self.digests.values()))

    def lines(self) -> Iterator[str]:
        yield f"{sum(self.digests.values())} mutants, {self.fresh:.1%} with a freshly computed digest"
        for target, count in sorted(self.targets.items()):
            yield f"  {count:6d}  {target}"
        for end, count in sorted(self.ends.items()):
            yield f"  {count:6d}  {end}"
        yield f"undocumented errors: {len(self.failures)}; hangs over {SECONDS:g} s: {self.hangs}; "
        yield f"slowest mutant: {self.slowest:.2f} s"


def make_cases(folder: Path) -> list[Case]:
    """Make the cases: tiny models of every family, interrupted runs, and a comparison."""
    rows = np.random.default_rng(0).normal(size=(150, 2))
    table = "a,b,c,d\n" + "".join(f"{x:.3f},{y:.3f},{'uvw'[i % 3]},{i % 2}\n" for i, (x, y) in enumerate(rows))
    (folder / "mixed.csv").write_text(table, encoding="utf-8")
    np.save(folder / "plain.npy", rows)
    mixed, common = (
        {"source": str(folder / "mixed.csv"), "kinds": {"d": "count"}},
        {"device": "cpu", "precision": "fp32"},
    )
    genzoo.train("naive-bayes", mixed, out=folder / "bayes", **common)
    genzoo.train("gmm", rows, noise=True, covariance_type="diagonal", out=folder / "noisy", **common)
    genzoo.train("gaussian", str(folder / "plain.npy"), out=folder / "gaussian", **common)
    genzoo.train(
        "vae",
        mixed,
        widths=[4],
        latent=2,
        n_components=2,
        training={"steps": 2, "batch_size": 16},
        out=folder / "columns",
        **common,
    )
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        words = ["compare", "gaussian", "gmm", "--data", str(folder / "plain.npy"), "--out", str(folder / "compared")]
        assert main([*words, "--device", "cpu"]) == 0
    (folder / "words.txt").write_text("anna\nbert\nzoé\n" * 20, encoding="utf-8")
    genzoo.train(SYMBOLS, str(folder / "words.txt"), steps=2, batch_size=8, out=folder / "symbols", **common)
    plain, csv, words = str(folder / "plain.npy"), str(folder / "mixed.csv"), str(folder / "words.txt")
    sample, out = ("sample", "RUN", "-n", "3", "--device", "cpu", "--out"), str(folder / "out")
    scored = ("score", "RUN", "--device", "cpu", "--threshold", "0.1", "--out", f"{out}.csv", "--data")
    report = ("report", "RUN", "--device", "cpu", "--out", f"{out}.html")
    metrics = ("--metric", "log-likelihood", "--metric", "wasserstein")
    pictures = ("sample", "RUN", "-n", "3", "--out", f"{out}.png")
    codes = np.array([[0.5, -1.0, 0, 1], [3.0, 0.2, 2, 0]])
    log_prob, bound = _asks("log_prob", rows), _asks("log_prob_bound", codes)
    iris = str(folder / "iris.npy")
    np.save(folder / "iris.npy", genzoo.load(RUNS / "gmm").sample(20))
    digits = np.zeros((3, 1, 8, 8), np.uint8)
    own = ("--model-file", SYMBOLS.rpartition(":")[0])
    held = ("evaluate", "RUN", *metrics, "--device", "cpu", "--data")
    found = [
        Case(
            "gmm/model",
            _files(RUNS / "gmm/model"),
            ((*sample, f"{out}.csv"), (*scored, iris)),
            _asks("log_prob", np.ones((3, 4))),
        ),
        Case("vae/model", _files(RUNS / "vae/model"), (pictures,), _asks("log_prob_bound", digits)),
        Case("dcgan/model", _files(RUNS / "dcgan/model"), (pictures,), _asks("prior_sample", 3)),
        Case(
            "naive-bayes/model",
            _files(folder / "bayes/model"),
            ((*sample, f"{out}.csv"), (*scored, csv)),
            _asks("log_prob", codes),
        ),
        Case(
            "noisy gmm/model", _files(folder / "noisy/model"), ((*sample, f"{out}.parquet"), (*scored, plain)), log_prob
        ),
        Case("gaussian/model", _files(folder / "gaussian/model"), ((*held, plain),), _asks("encode", rows)),
        Case(
            "vae of columns/model", _files(folder / "columns/model"), ((*sample, f"{out}.csv"), (*scored, csv)), bound
        ),
        Case(
            "gmm, interrupted",
            _files(RUNS / "gmm-interrupted"),
            ((*sample, f"{out}.csv"), (*held, iris)),
            _asks("log_posterior", np.ones((3, 4))),
        ),
        Case("vae, a run", _files(RUNS / "vae"), (pictures,), _asks("encode", digits)),
        Case(
            "gaussian, a run",
            _files(folder / "gaussian"),
            ((*report, *metrics), ("evaluate", "RUN", *metrics)),
            log_prob,
        ),
        Case(
            "symbols/model",
            _files(folder / "symbols/model"),
            ((*sample, f"{out}.txt", *own), (*scored, words, *own)),
            _asks("log_prob", ["anna", "", "zoé"], model=SYMBOLS),
        ),
        Case("a comparison", _files(folder / "compared"), (report,), _look),
        *_of_texts(folder, words, out),
    ]
    for case in found:
        _check_whole(case, folder / "whole")
    return found


def _of_texts(folder: Path, words: str, out: str) -> list[Case]:
    """Make the cases of texts: tables of n-grams of characters, and a transformer of tokens over windows."""
    common = {"device": "cpu", "precision": "fp32"}
    genzoo.train("ngram", words, order=3, out=folder / "ngram", **common)
    tokens = "bpe" if importlib.util.find_spec("tokenizers") else "bytes"
    size = {"layers": 1, "heads": 1, "width": 4, "vocabulary": 260, "steps": 2, "batch_size": 4}
    genzoo.train("gpt", {"source": words, "window": 16}, tokens=tokens, out=folder / "gpt", **size, **common)
    sample = ("sample", "RUN", "-n", "3", "--prompt", "an", "--device", "cpu", "--out", f"{out}.txt")
    scored = ("score", "RUN", "--device", "cpu", "--out", f"{out}.csv", "--data", words)
    found = []
    for name in ("ngram", "gpt"):
        model = _files(folder / name / "model")
        found.append(Case(f"{name}/model", model, (sample, scored), _asks("log_prob_each", ["anna", "", "zoé"])))
    return found


def _check_whole(case: Case, folder: Path) -> None:
    """Check that unmutated cases pass, as failures of mutants mean nothing otherwise."""
    hostile.write_files(folder, case.files)
    case.ask(folder)
    for words in case.words:
        code, err = command([str(folder) if word == "RUN" else word for word in words])
        assert code == 0, (case.name, words, err)
    shutil.rmtree(folder)


def _files(folder: Path) -> hostile.Files:
    return {
        name: content
        for name, content in hostile.read_files(folder).items()
        if not name.endswith((".md", ".html", ".png"))
    }


def _asks(method: str, *arguments: Any, model: str | None = None) -> Callable[[Path], Any]:
    def ask(folder: Path) -> None:
        fitted = genzoo.load(folder, model=model)
        fitted.sample(3)
        with contextlib.suppress(genzoo.ConfigError):  # not every model and dataset supports it
            getattr(fitted, method)(*arguments)

    return ask


def _look(folder: Path) -> None:
    """Read what the page of a comparison reads."""
    read_report(folder / "report.json")
    read_page_samples(folder)
    Run(folder / "best").load().sample(3)


def mutate(case: Case, draw: random.Random, folder: Path, outside: Path) -> tuple[str, str]:
    """Write a mutant of a case; return its target, and whether its digest is up to date."""
    name = draw.choice([name for name in case.files if name.endswith((".json", ".safetensors", ".jsonl"))])
    short = name.rpartition("/")[2]
    files = dict(case.files)
    if draw.random() < ODD:
        hostile.write_files(folder, files)
        return f"{short}: {hostile.odd_file(folder / name, draw, outside)}", "fresh"
    ways = (
        hostile.TENSORS
        if name.endswith(".safetensors")
        else hostile.JSON
        if name.endswith(".json")
        else {"text": hostile.bytes_mutant}
    )
    way = draw.choice(list(ways))
    files[name] = ways[way](files[name], draw)
    stale = name.endswith(".safetensors") and draw.random() < STALE / 0.4
    hostile.write_files(folder, files if stale else hostile.redigested(files))
    return f"{short}: {way}", "stale" if stale else "fresh"


def examine(case: Case, folder: Path, draw: random.Random, tally: Tally) -> str:
    """Use a mutant as a user would, and return the outcome; a forbidden one begins with `FAILED`."""
    if draw.random() < COMMANDS:
        words = [str(folder) if word == "RUN" else word for word in draw.choice(case.words)]
        code, err = command(words)
        wrong = code not in ALLOWED and not (code == 2 and "Models that can" in " ".join(err.split()))
        if wrong or "Traceback" in err or "Warning" in err:
            return f"FAILED {words[0]}: exit {code}: {err[-300:]}"
        return f"{words[0]}: exit {code}"
    try:
        case.ask(folder)
    except genzoo.GenzooError as error:
        wrong = error.exit_code != 4 and "cannot do this" not in str(error)
        return f"FAILED {type(error).__name__}: {error}" if wrong else f"load: {type(error).__name__}"
    return "load: used"


def command(words: list[str]) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return code, err.getvalue()


def _alarm(*_: object) -> None:
    raise Hang


def fuzz(cases: list[Case], mutants: int, seed: int, space: Path) -> Tally:
    """Run `mutants` mutants of a seed; each depends only on the seed and its number."""
    tally = Tally()
    outside = space / "outside.json"
    outside.write_text("{}", encoding="utf-8")
    before = {number: signal.signal(number, _alarm) for number in (signal.SIGALRM, signal.SIGPROF)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for number in range(mutants):
                _one(cases, number, seed, space, outside, tally)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        faulthandler.cancel_dump_traceback_later()
    return tally


def _one(cases: list[Case], number: int, seed: int, space: Path, outside: Path, tally: Tally) -> None:
    draw = random.Random(f"{seed}/{number}")
    case, folder = cases[number % len(cases)], space / "mutant"
    target, fresh = mutate(case, draw, folder, outside)
    tally.targets[f"{case.name}: {target.partition(':')[0]}"] += 1
    tally.digests[fresh] += 1
    faulthandler.dump_traceback_later(6 * SECONDS, exit=True)  # for code that no signal interrupts
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, 4 * SECONDS)  # wall-clock time, generous for a busy machine
    begun = time.process_time()
    try:
        end = examine(case, folder, draw, tally)
    except Hang:
        tally.hangs += 1
        end = f"FAILED: no answer within {SECONDS:g} s"
    except Exception as error:
        end = f"FAILED {type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    tally.slowest = max(tally.slowest, time.process_time() - begun)
    if end.startswith("FAILED"):
        tally.failures.append(f"mutant {number} of seed {seed} ({case.name}: {target}): {end}")
        end = "FAILED"
    tally.ends[end] += 1
    shutil.rmtree(folder)


def run(mutants: int, seed: int) -> int:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as made:
        tally = fuzz(make_cases(Path(made)), mutants, seed, Path(made))
    print(*tally.failures[:40], sep="\n")
    print(*tally.lines(), sep="\n")
    return 1 if tally.failures or tally.fresh < 0.75 else 0


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    sys.exit(run(*[*numbers, *(20_000, 0)[len(numbers) :]]))
