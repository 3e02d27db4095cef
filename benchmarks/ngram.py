"""Measure `ngram`: its likelihood on tiny Shakespeare and on names, and its speed on a million log lines.

    shakespeare  the first 90 % of the file in windows, and the rest as one long text, in which each symbol is given
                 all that the model looks back on: nats per character, and CPU seconds of fit and score
    names        makemore's split of its file, without the test words that stand in training: nats per character with
                 the end, for several orders; seconds of 10,000 samples
    logs         lines of about 50 bytes in a file, as services write them: seconds of fit and score, and the largest
                 memory of the process
    nltk         seconds that nltk needs for the fit on names, and its nats per character, beside the same of `ngram`.
                 It smooths with a single discount. nltk is optional: `pip install nltk`

Bars, which stand in parentheses beside the figures:

    shakespeare  order 6: 1.57 nats, 10 seconds
    logs         order 5, a million lines: 120 seconds, 1.5 GB

The files are tinyshakespeare.txt of char-rnn and names.txt of makemore, in the folder that --data names. A part is left
out if its file is not there.

    python benchmarks/ngram.py [shakespeare] [names] [logs] [nltk] [--data FOLDER] [--order N...] [--window 256]
        [--lines 1000000]
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

import genzoo
from genzoo.models.base import Autoregressive

PARTS = ("shakespeare", "names", "logs", "nltk")
NO_SPLIT = {"validation": 0.0, "test": 0.0}
ORDERS = {"shakespeare": [5, 6, 7], "names": [2, 3, 4, 5, 6, 7, 8], "logs": [5], "nltk": [4]}


def fitted(texts: list[str] | Path, order: int, folder: Path, tokens: str = "characters") -> tuple[genzoo.Run, float]:
    """Train on all texts, and return the run with the CPU seconds that it took."""
    out, begun = folder / f"order-{order}", time.process_time()
    run = genzoo.train("ngram", texts, order=order, tokens=tokens, split=NO_SPLIT, out=out, progress=False)
    return run, time.process_time() - begun


def measure_shakespeare(file: Path, orders: list[int], window: int, folder: Path) -> None:
    text = file.read_text("utf-8")
    size = int(0.9 * len(text))
    windows = [text[start : min(start + window, size)] for start in range(0, size, window)]
    codes = torch.tensor([list(text[size:].encode("ascii"))])  # a byte is a character
    for order in orders:
        run, spent = fitted(windows, order, folder / "shakespeare", "bytes")
        generator = run.load().generator
        assert isinstance(generator, Autoregressive)
        begun = time.process_time()
        nats = -float(generator.log_prob_each(codes).double().mean())
        spent += time.process_time() - begun
        bar = " (1.57 in 10 s)" if order == 6 else ""
        print(f"shakespeare: order {order}: {nats:.3f} nats per character in {spent:.1f} s{bar}", flush=True)


def names_of(file: Path) -> tuple[list[str], list[str]]:
    """Return the training names, and the test names that are none of them."""
    words = file.read_text("utf-8").split()
    random.Random(42).shuffle(words)
    train = words[: int(0.8 * len(words))]
    known = set(train)
    return train, [word for word in words[int(0.9 * len(words)) :] if word not in known]


def measure_names(file: Path, orders: list[int], folder: Path) -> None:
    train, test = names_of(file)
    for order in orders:
        run, spent = fitted(train, order, folder / "names")
        logs = run.load().log_prob(test)
        nats = -logs.sum() / sum(len(word) + 1 for word in test)
        print(f"names: order {order}: {nats:.4f} nats per character with the end, {spent:.1f} s", flush=True)
    begun = time.process_time()
    run.load().sample(10_000)
    print(f"names: 10,000 samples of order {order}: {time.process_time() - begun:.1f} s", flush=True)


def log_lines(count: int, seed: int = 0) -> Iterator[str]:
    """Yield lines of logs with times, services, levels, addresses, ids and durations."""
    draw = random.Random(seed)
    services = ["api", "auth", "billing", "cache", "db", "mail", "queue", "search", "web", "worker"]
    paths = [f"/{part}/{number}" for part in ("users", "orders", "items", "img") for number in range(40)]
    clock = 0.0
    for _ in range(count):
        clock += draw.expovariate(12)
        service = services[min(9, int(draw.expovariate(0.4)))]
        seconds = int(clock)
        stamp = f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        kind = draw.random()
        if kind < 0.55:
            status = draw.choices([200, 204, 301, 404, 500], [80, 8, 5, 6, 1])[0]
            what = f"GET {draw.choice(paths)} {status} {int(draw.lognormvariate(3, 1))}ms"
        elif kind < 0.75:
            what = f"login user{draw.randrange(5000)} from 10.{draw.randrange(4)}.{draw.randrange(256)}.7"
        elif kind < 0.9:
            what = f"job {draw.getrandbits(32):08x} done in {draw.random() * 9:.2f}s"
        elif kind < 0.98:
            what = f"pool size {draw.randrange(8, 65)} idle {draw.randrange(9)}"
        else:
            what = f"timeout after {draw.choice([1, 5, 30])}s, retry {draw.randrange(1, 4)}"
        level = "ERROR" if kind > 0.98 else "WARN " if kind > 0.9 else "INFO "
        yield f"{stamp} {level} {service}[{draw.randrange(900, 999)}]: {what}"


def measure_logs(lines: int, orders: list[int], folder: Path) -> None:
    file = folder / "logs.txt"
    with file.open("w", encoding="utf-8") as out:
        out.writelines(f"{line}\n" for line in log_lines(lines))
    size = file.stat().st_size
    for order in orders:
        run, spent = fitted(file, order, folder / "logs")
        begun = time.process_time()
        logs = run.score(file).values
        scored = time.process_time() - begun
        bits = -logs.mean() / math.log(2)
        bar = " (120 s, 1.5 GB)" if (order, lines) == (5, 1_000_000) else ""
        print(
            f"logs: {lines} lines of {size / lines:.0f} bytes, order {order}: fit {spent:.0f} s, score {scored:.0f} s, "
            f"{_gigabytes():.2f} GB{bar}; {bits:.1f} bits for a training line",
            flush=True,
        )


def _gigabytes() -> float:
    """Return the largest memory that the process has had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def measure_nltk(file: Path, orders: list[int], folder: Path) -> None:
    if importlib.util.find_spec("nltk") is None:
        print("nltk is not installed; pip install nltk")
        return
    from nltk.lm import KneserNeyInterpolated
    from nltk.lm.preprocessing import padded_everygram_pipeline

    train, test = names_of(file)
    for order in orders:
        begun = time.process_time()
        model = KneserNeyInterpolated(order)
        model.fit(*padded_everygram_pipeline(order, train))
        spent = time.process_time() - begun
        begun, few = time.process_time(), test[:50]
        padded = ((*["<s>"] * (order - 1), *word, "</s>") for word in few)
        chances = [
            model.score(text[place], text[place - order + 1 : place])
            for text in padded
            for place in range(order - 1, len(text))
        ]
        nats = -sum(map(math.log, chances)) / len(chances)
        scored = (time.process_time() - begun) / len(chances)
        run, own_spent = fitted(train, order, folder / "nltk")
        own = -run.load().log_prob(few).sum() / len(chances)
        print(
            f"nltk: order {order}: fit in {spent:.1f} s, {1e3 * scored:.1f} ms a character; {nats:.4f} nats per "
            f"character of {len(few)} names; ngram: fit in {own_spent:.1f} s, {own:.4f} nats",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}; all by default")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--order", nargs="+", type=int, help="largest numbers of symbols of a piece")
    parser.add_argument("--window", type=int, default=256, help="characters of a window of tiny Shakespeare")
    parser.add_argument("--lines", type=int, default=1_000_000, help="number of log lines")
    given = parser.parse_args()
    shakespeare, names = given.data / "tinyshakespeare.txt", given.data / "names.txt"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for part in given.parts or PARTS:
            orders = given.order or ORDERS[part]
            file = shakespeare if part == "shakespeare" else names
            if part == "logs":
                measure_logs(given.lines, orders, folder)
            elif not file.is_file():
                print(f"{part}: {file.name} is not in {given.data}")
            elif part == "nltk":
                measure_nltk(file, orders, folder)
            elif part == "names":
                measure_names(file, orders, folder)
            else:
                measure_shakespeare(file, orders, given.window, folder)


if __name__ == "__main__":
    main()
