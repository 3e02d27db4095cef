"""Draw docs/images/digits.png, the picture in README.md, from a comparison that genzoo wrote.

    genzoo compare gaussian gmm vae dcgan --data digits --out digits
    python docs/make_picture.py digits

Every image and number comes from `report.json` and `samples.safetensors` of that folder.
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from safetensors.numpy import load_file

PICTURE = Path(__file__).parent / "images" / "digits.png"
SHOWN = 10
"""Images in a row."""
COLUMNS = (("bits/dim", "lower"), ("coverage", "higher"), ("Fréchet", "lower"), ("seconds", ""), ("verdict", ""))
EDGES = (60.0, 71.0, 80.5, 89.5, 92.0)
"""Where the columns of numbers end; the verdict begins at the last."""
WIDTH, ROW = 11.0, 0.42
"""Width of the picture and height of a row, in inches."""
UNITS = 108.0
"""Width of the picture in the units that the text is placed in; its height is 1 a row."""
SIDE = 0.88 * ROW * UNITS / WIDTH
"""Side of an image in these units."""
BEST, LINE = "#e3f1e6", "#c9c9d1"


def main(folder: Path) -> None:
    """Draw the candidates of a comparison, best first, below real images."""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    names = json.loads((folder / "samples.json").read_text(encoding="utf-8"))["candidates"]
    images = load_file(folder / "samples.safetensors")
    mpl.rcParams["font.family"] = "DejaVu Sans"

    height = len(report["rows"]) + 2
    figure = Figure(figsize=(WIDTH, ROW * height), dpi=150, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")

    _header(axes)
    _row(axes, 1, "real images", images["real"], ())
    for line, row in enumerate(report["rows"], 2):
        if row["id"] == report["best"]:
            axes.add_patch(Rectangle((0, line), UNITS, 1, color=BEST, zorder=0))
        _row(axes, line, row["id"], images[names[row["id"]]], _cells(row))
    axes.set_xlim(0, UNITS)
    axes.set_ylim(height + 0.05, 0)  # imshow has set both to its own
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE)


def _header(axes: Axes) -> None:
    axes.text(1, 0.62, "candidate", weight="bold", va="center")
    axes.text(14, 0.62, "samples", weight="bold", va="center")
    for (name, better), edge in zip(COLUMNS, EDGES, strict=True):
        arrow = {"lower": " ↓", "higher": " ↑"}.get(better, "")
        axes.text(edge, 0.62, name + arrow, weight="bold", va="center", ha="left" if name == "verdict" else "right")


def _row(axes: Axes, line: int, name: str, images: np.ndarray, cells: tuple[str, ...]) -> None:
    middle = line + 0.5
    axes.plot((0, UNITS), (line, line), color=LINE, linewidth=0.8)
    axes.text(1, middle, name, va="center", weight="bold" if cells else "normal")
    for place, image in enumerate(images[:SHOWN, 0]):
        left = 14 + 1.05 * SIDE * place
        extent = (left, left + SIDE, line + 0.94, line + 0.06)
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=16, extent=extent, aspect="auto", interpolation="nearest")
    for text, edge in zip(cells, EDGES, strict=bool(cells)):
        axes.text(edge, middle, text, va="center", ha="left" if edge == EDGES[-1] else "right")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Return the texts of a candidate's columns."""
    bits = row["log_likelihood"]["bits_per_dim"]
    metrics = row["metrics"]
    return (
        "–" if bits is None else f"{bits:.2f}",
        f"{metrics['coverage']['value']:.2f}",
        f"{metrics['frechet-distance']['value']:.2f}",
        f"{row['seconds']:.0f}",
        row["verdict"],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
