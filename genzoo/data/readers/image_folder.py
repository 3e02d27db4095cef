"""Read folders of images."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from genzoo.config.settings import DataSettings
from genzoo.data.dataset import Dataset
from genzoo.data.images import bytes_spec
from genzoo.errors import DataError
from genzoo.typing import Array

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})


_GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L"})


def read_folder(path: Path, settings: DataSettings) -> Dataset:
    """Read every image in a folder and its subfolders, as 8-bit gray or RGB images of one size.

    Images stay gray if all of them are. One color image makes all of them RGB, unless `color` is set. With `size`,
    the shorter side of each image is resized to `size`, and the center square is cut out.

    Raises:
        DataError: there is no image, one cannot be read (unless `skip_bad` is set), or sizes differ and `size` is not
            set.
    """
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    if not files:
        others = sum(1 for file in path.rglob("*") if file.is_file())
        raise DataError(f"Folder {path} holds no images ({others} other files). Known: {' '.join(sorted(SUFFIXES))}.")
    images, kept, skipped = [], [], 0
    for file in files:
        try:
            images.append(_read_image(file, settings))
            kept.append(file)
        except DataError:
            if not settings.skip_bad:
                raise
            skipped += 1
    if not images:
        raise DataError(f"None of the {skipped} images in {path} can be read.")
    events = _stack(images, kept)
    parents = sorted({file.parent for file in kept})
    labels = np.array([parents.index(file.parent) for file in kept]) if len(parents) > 1 else None
    return Dataset(path.resolve().name, bytes_spec(events), events, labels, skipped=skipped)


def _read_image(file: Path, settings: DataSettings) -> Array:
    """Read one image as `(C, H, W)` bytes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as opened:
                image = ImageOps.exif_transpose(opened)
                image = _convert(image, settings)
                if settings.size is not None:
                    image = ImageOps.fit(image, (settings.size, settings.size), Image.Resampling.LANCZOS)
                pixels = np.asarray(image)
    except (OSError, SyntaxError, ValueError, EOFError, Warning, Image.DecompressionBombError) as error:
        raise DataError(
            f"{file} cannot be read as an image: {error}. Remove it, or leave such files out with --skip-bad."
        ) from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _convert(image: Image.Image, settings: DataSettings) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit gray comes as I or I;16; Pillow would clip it to 255
        image = Image.fromarray((np.asarray(image, np.int64) // 257).clip(0, 255).astype(np.uint8))
    elif image.mode == "F":
        image = Image.fromarray((np.asarray(image, np.float64).clip(0, 1) * 255).round().astype(np.uint8))
    gray = image.mode in _GRAY_MODES if settings.color == "auto" else settings.color == "gray"
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    return image.convert("L" if gray else "RGB")


def _stack(images: list[Array], files: list[Path]) -> Array:
    channels = max(len(image) for image in images)
    first = images[0].shape[1:]
    for image, file in zip(images, files, strict=True):
        if image.shape[1:] != first:
            raise DataError(
                f"{file} is {image.shape[2]}×{image.shape[1]} pixels and {files[0]} is {first[1]}×{first[0]}. "
                f"Bring all images to one size with --size N."
            )
    events = np.empty((len(images), channels, *first), np.uint8)
    for row, image in enumerate(images):
        events[row] = image
    return events
