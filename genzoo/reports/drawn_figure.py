"""Figures that notebooks show."""

from __future__ import annotations

import io
import warnings

from matplotlib.figure import Figure


class DrawnFigure(Figure):
    """A figure of matplotlib. A notebook shows it, even if matplotlib is not set up for it."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")  # letters that the font does not have become boxes
            self.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()
