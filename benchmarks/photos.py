"""Time the reading of a folder of photographs, and what share of a training step waits for data.

A folder of JPEG files is made, and read three times with `size`: without the cache, which is how long decoding takes;
with an empty cache, so that the images are kept, too; and with the cache filled. Then a model is trained on the images
for some steps, with the events on the device and streamed from the cache on disk. Printed are seconds, and the share
of the time of all steps but the first in which the step waits for its batch.

    python benchmarks/photos.py [--files 5000] [--size 64] [--model dcgan] [--steps 50] [--batch-size 64]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
from PIL import Image

import genzoo
from genzoo.config.data import DataSettings
from genzoo.data.loading import open_dataset
from genzoo.engine.dataloader import BatchLoader, ResidentLoader, StreamingLoader
from genzoo.plugins.manager import get_registry

WIDTH, HEIGHT = 512, 384


def make_photos(folder: Path, count: int) -> None:
    """Write smooth colors with some grain, whose files are about as large as photographs."""
    rng = np.random.default_rng(0)
    for number in range(count):
        smooth = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        pixels = np.asarray(smooth.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).astype(np.int16)
        pixels += rng.integers(-12, 13, (HEIGHT, WIDTH, 1), dtype=np.int16)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number:06}.jpg", quality=90)


class Waiting:
    """Measures how long steps wait for their batches."""

    def __init__(self) -> None:
        self.waited: list[float] = []
        self.ends: list[float] = []

    def around(self, loader: type[BatchLoader]) -> contextlib.AbstractContextManager[object]:
        """Measure a kind of loader inside."""
        items = loader.items

        def measured(own: BatchLoader, first: int) -> Iterator[object]:
            found = items(own, first)
            try:
                while True:
                    began = time.perf_counter()
                    item = next(found)
                    self.ends.append(time.perf_counter())
                    self.waited.append(self.ends[-1] - began)
                    yield item
            finally:
                found.close()

        return patch.object(loader, "items", measured)

    @property
    def share(self) -> float:
        """Share of the time of the steps after the first."""
        return sum(self.waited[1:]) / (self.ends[-1] - self.ends[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--model", default="dcgan")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--batch-size", type=int, default=64)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GENZOO_CACHE"] = str(Path(folder) / "cache")
        photos = Path(folder) / "photos"
        photos.mkdir()
        make_photos(photos, arguments.files)
        size = sum(file.stat().st_size for file in photos.iterdir())
        print(f"{arguments.files} files of {WIDTH}×{HEIGHT}, {size / 1e6:.0f} MB", flush=True)
        settings = DataSettings(source=str(photos), size=arguments.size)
        alone = settings.model_copy(update={"cache": False})
        for name, asked in (("decoded", alone), ("decoded and kept", settings), ("from the cache", settings)):
            began, computed = time.perf_counter(), time.process_time()
            dataset = open_dataset(asked, get_registry())
            seconds, computed = time.perf_counter() - began, time.process_time() - computed
            print(f"{name:20} {seconds:8.2f} s, {computed:8.2f} CPU seconds", flush=True)
        for kind in (ResidentLoader, StreamingLoader):
            free = patch("genzoo.engine.dataloader.fits_on", lambda *_, kind=kind: kind is ResidentLoader)
            waiting = Waiting()
            with free, waiting.around(kind):
                genzoo.train(
                    arguments.model,
                    dataset,
                    steps=arguments.steps,
                    batch_size=arguments.batch_size,
                    flip=True,
                    out=Path(folder) / kind.__name__,
                )
            print(f"{kind.__name__:20} waits {100 * waiting.share:6.2f} % of the time", flush=True)


if __name__ == "__main__":
    main()
