"""Read image files with all their pages and all their bits."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageMode, ImageOps, UnidentifiedImageError

from genzoo.config.data import DataSettings
from genzoo.data.value_range import Values
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.typing import Array


class UnreadableImageError(DataError):
    """A file that cannot be read as an image.

    Arguments:
        file: the file.
        reason: why it cannot be read, as a clause.
    """

    def __init__(self, file: Path, reason: str) -> None:
        self.file, self.reason = file, reason.rstrip(".")
        super().__init__(f"{file}: {self.reason}")


@dataclass(frozen=True, slots=True)
class ImagePage:
    """One image of a file.

    Arguments:
        file: the file.
        number: number of the page, from 0.
        of_several: whether the file has several pages.
        pixels: `(C, H, W)`; resized, if a size is set.
        values: facts about the values before resizing.
        remarks: keys of `NOTES` that hold for it.
    """

    file: Path
    number: int
    of_several: bool
    pixels: Array
    values: Values
    remarks: tuple[str, ...]

    @property
    def shown(self) -> str:
        """Name of the page, for messages."""
        return f"{self.file}, page {self.number + 1}," if self.of_several else str(self.file)


NOTES = {
    "shortened": "images with 16-bit colors that are read with 8 bits: {}; 16-bit RGB .png keeps all",
    "transparent": "images with transparent pixels, which are put on white: {}",
    "cmyk": "CMYK images converted to RGB, without their color profile: {}",
    "enlarged": "images smaller than the size they are resized to: {}",
}
"""What the user should know about images, with their number."""


_MOST_BYTES, _STEEPEST = 2**28, 200
"""Bytes of the pixels of one file: so many, or so many for each of its own bytes."""


_GRAY_MODES = frozenset({"1", "L", "LA", "La"})


class Room:
    """Memory that threads share: each waits until its pixels fit beside the others'.

    Arguments:
        size: number of bytes. More than that is let in alone.
    """

    def __init__(self, size: int) -> None:
        self._size, self._free = size, size
        self._changed = threading.Condition()

    @contextmanager
    def taking(self, size: int) -> Iterator[None]:
        """Hold so many bytes in the block."""
        size = min(size, self._size)
        with self._changed:
            self._changed.wait_for(lambda: size <= self._free)
            self._free -= size
        try:
            yield
        finally:
            with self._changed:
                self._free += size
                self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file of images, on its own or in another file.

    Arguments:
        path: its path, or its name below the path of the file that it is in.
        content: its bytes. Defaults to `None`: they are read from the path.
    """

    path: Path
    content: bytes | None = None

    def read(self) -> bytes:
        """Return the bytes of the file."""
        return self.path.read_bytes() if self.content is None else self.content


def read_pages(image: ImageFile, settings: DataSettings, room: Room) -> list[ImagePage]:
    """Read all pages of a file, turned upright and resized as the settings say.

    Other threads may read other files at the same time. Turn Pillow's `DecompressionBombWarning` into an error before.

    Arguments:
        image: the file.
        room: limits the pixels that are in memory at the same time.

    Raises:
        UnreadableImageError: the file is damaged, too large or of another type, or holds a value that is not finite.
    """
    file = image.path
    try:
        content = image.read()  # from a file, Pillow would allocate as many bytes as a part declares
        with Image.open(io.BytesIO(content)) as opened:
            # The further pictures of a camera's MPO file are previews of the first.
            count = 1 if opened.format == "MPO" else getattr(opened, "n_frames", 1)
            size = count * opened.width * opened.height * _pixel_bytes(opened)
            _check_pixels(len(content), size)
            with room.taking(size):
                return list(_pages(file, content, opened, count, settings))
    except UnidentifiedImageError as error:
        raise UnreadableImageError(file, "its content is not an image that Pillow can read") from error
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        pass_out_of_memory(error)
        raise UnreadableImageError(file, str(error) or type(error).__name__) from error


def _pages(file: Path, content: bytes, opened: Image.Image, count: int, settings: DataSettings) -> Iterator[ImagePage]:
    for number in range(count):
        opened.seek(number)
        wide = _wide_colors(content, opened) if number == 0 and count == 1 else None
        remarks = _remarks(opened, wide, settings)
        pixels = _pixels(opened, wide, settings)
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise ValueError("it holds values that are not finite")
        values = Values.of(pixels[None], step=0 if settings.size is None else 1)
        if settings.size is not None:
            pixels = _resized(pixels, settings)
        yield ImagePage(file, number, count > 1, pixels, values, remarks)


def _remarks(opened: Image.Image, wide: Array | None, settings: DataSettings) -> tuple[str, ...]:
    """Return the keys of `NOTES` that hold for an image."""
    side = max(opened.size) if settings.crop == "pad" else min(opened.size)
    found = {
        "shortened": wide is None and _is_wide(opened),
        "transparent": opened.has_transparency_data and np.asarray(opened.convert("RGBA"))[..., 3].min() < 255,
        "cmyk": opened.mode == "CMYK",
        "enlarged": settings.size is not None and side < settings.size,
    }
    return tuple(name for name, holds in found.items() if holds)


def _pixels(opened: Image.Image, wide: Array | None, settings: DataSettings) -> Array:
    """Return the pixels of an image, upright, `(C, H, W)`.

    Arguments:
        wide: colors with all of their bits, if Pillow drops some.
    """
    if wide is not None:
        pixels = _upright(wide, opened)
        return _luma(pixels) if settings.color == "gray" else pixels
    upright = ImageOps.exif_transpose(opened) if _orientation(opened) != 1 else opened
    if upright.mode == "F" or upright.mode.startswith("I") or _is_signed(opened):
        pixels = _deep(upright, opened)[None]
        return pixels.repeat(3, axis=0) if settings.color == "rgb" else pixels
    # Palettes, frames of a GIF and 16-bit gray with transparency come as colors, even if all are gray.
    unsure = opened.mode in ("P", "PA") or opened.format == "GIF" or _raw_mode(opened) == "LA;16B"
    pixels = np.asarray(_as_bytes(upright, unsure, settings))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _pixel_bytes(opened: Image.Image) -> int:
    """Return how many bytes a pixel takes, perhaps only while it is put on white."""
    mode = ImageMode.getmode(opened.mode)
    own = len(mode.bands) * np.dtype(mode.typestr).itemsize * (2 if _is_wide(opened) else 1)
    return max(own, 4 if opened.has_transparency_data else 1)


def _check_pixels(size: int, unpacked: int) -> None:
    """Check that a file does not unpack to far more bytes of pixels than it has itself.

    Raises:
        ValueError: it does.
    """
    if unpacked > _MOST_BYTES and unpacked > _STEEPEST * size:
        raise ValueError(f"it would unpack from {size} to {unpacked} bytes of pixels; scale it down, or remove it")


def _resized(pixels: Array, settings: DataSettings) -> Array:
    """Return an image `(C, H, W)` with sides of `size`; for `pad`, with a longer side of `size`."""
    if pixels.dtype != np.uint8:
        return np.stack([np.asarray(_fitted(Image.fromarray(one.astype(np.float32)), settings)) for one in pixels])
    if len(pixels) == 1:
        return np.asarray(_fitted(Image.fromarray(pixels[0]), settings))[None]
    return np.asarray(_fitted(Image.fromarray(pixels.transpose(1, 2, 0)), settings)).transpose(2, 0, 1)


def _fitted(image: Image.Image, settings: DataSettings) -> Image.Image:
    assert settings.size is not None
    square = (settings.size, settings.size)
    if settings.crop == "center":
        return ImageOps.fit(image, square, Image.Resampling.LANCZOS)
    if settings.crop == "pad":
        return ImageOps.contain(image, square, Image.Resampling.LANCZOS)
    return image.resize(square, Image.Resampling.LANCZOS)


def _deep(upright: Image.Image, opened: Image.Image) -> Array:
    """Return the pixels of a gray image in their own number type, which is not unsigned bytes."""
    pixels = np.asarray(upright)
    pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    if pixels.dtype == np.int32 and _tiff_type(opened) == (32, 1):
        return pixels.view(np.uint32).astype(np.int64)  # Pillow has no unsigned type of 32 bits
    return pixels.view(np.int8) if _is_signed(opened) else pixels


def _is_signed(opened: Image.Image) -> bool:
    """Return whether an image has signed values of 8 bits, which Pillow reads as unsigned ones."""
    return opened.mode == "L" and _tiff_type(opened) == (8, 2)


def _tiff_type(opened: Image.Image) -> tuple[int, int]:
    """Return bits and format of a TIFF's samples: 1 for unsigned, 2 for signed and 3 for floating point; else 0."""
    tags: Any = getattr(opened, "tag_v2", None)
    if tags is None:
        return 0, 0
    return int(tags.get(258, (1,))[0]), int(tags.get(339, (1,))[0])


def _as_bytes(image: Image.Image, unsure: bool, settings: DataSettings) -> Image.Image:
    """Return an 8-bit image as gray or RGB, on white if it is transparent.

    Arguments:
        unsure: whether the pixels decide if the image is gray, not its mode.
    """
    gray = image.mode in _GRAY_MODES
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    if unsure and not gray:
        image = image.convert("RGB")
        red, green, blue = (np.asarray(channel) for channel in image.split())
        gray = np.array_equal(red, green) and np.array_equal(red, blue)
    if settings.color != "auto":
        gray = settings.color == "gray"
    mode = "L" if gray else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _is_wide(opened: Image.Image) -> bool:
    """Return whether a color image has more than 8 bits in its file, which Pillow drops."""
    if opened.mode not in ("RGB", "RGBA", "LA"):
        return False
    return _raw_mode(opened).rpartition(";")[2].startswith("16") or _tiff_type(opened)[0] > 8


def _raw_mode(opened: Image.Image) -> str:
    tiles: Any = getattr(opened, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    return arguments if isinstance(arguments, str) else str(arguments[0]) if arguments else ""


def _wide_colors(content: bytes, opened: Image.Image) -> Array | None:
    """Return the colors of a 16-bit PNG as `(3, H, W)`; `None` for other images.

    Pillow keeps the first of the two bytes of each value. Read as little-endian numbers, the same file gives the other.
    """
    raw = _raw_mode(opened)
    if opened.format != "PNG" or raw not in ("RGB;16B", "RGBA;16B"):
        return None
    halves = []
    for order in ("B", "L"):
        with Image.open(io.BytesIO(content)) as again:
            tile: Any = again.tile[0]
            again.tile = [tile._replace(args=raw[:-1] + order)]
            halves.append(np.asarray(again).astype(np.uint16))
    colors = halves.pop(0)
    colors <<= 8
    colors |= halves.pop()
    if colors.shape[2] == 4:
        paper = 65535.0
        alpha = colors[:, :, 3] / paper
        for place in range(3):  # one color at a time, to save memory
            colors[:, :, place] = np.rint(colors[:, :, place] * alpha + paper * (1 - alpha))
    return colors[:, :, :3].transpose(2, 0, 1)


def _upright(pixels: Array, opened: Image.Image) -> Array:
    """Return `(C, H, W)` turned as the EXIF data of an image say."""
    orientation = _orientation(opened)
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(0, 2, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[:, ::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, :, ::-1]
    return pixels


def _orientation(opened: Image.Image) -> int:
    """Return the orientation of an image by its EXIF data: 1 is upright."""
    found = opened.getexif().get(0x0112)
    return next((known for known in range(2, 9) if found == known), 1)


def _luma(pixels: Array) -> Array:
    """Return colors `(3, H, W)` as gray, with the weights of ITU-R 601-2 that Pillow uses."""
    red, green, blue = pixels.astype(np.float64)
    gray: Array = np.rint((299 * red + 587 * green + 114 * blue) / 1000)
    return gray.astype(pixels.dtype)[None]
