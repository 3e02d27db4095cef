"""Convert the published weights of Inception-v3, by which FID and KID are computed, to a safetensors file.

pytorch-fid and torch-fidelity publish them as a pickle of tensors. No command of genzoo uses this module. You run it
once, with `python -m genzoo.features.convert_inception FILE`. It reads the file with `weights_only=True`, and only if
its SHA-256 is the one below.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from genzoo.errors import GenzooError
from genzoo.features.inception import IGNORED, URL, Inception
from genzoo.features.networks import cached
from genzoo.models.state_dict import check_tensors
from genzoo.storage.tensors import check_digest, digest, write_tensors

SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""SHA-256 of `pt_inception-2015-12-05-6726825d.pth`, which torch-fidelity calls `weights-inception-...`."""


def convert(source: Path, target: Path) -> None:
    """Write the weights in `source` to the safetensors file `target`.

    Raises:
        ArtifactError: `source` is not the published file.
        GenzooError: `target` cannot be written.
    """
    check_digest(source, SHA256)
    published: dict[str, Tensor] = torch.load(source, map_location="cpu", weights_only=True)
    network = Inception()
    counts = {name: value for name, value in network.state_dict().items() if name.endswith("num_batches_tracked")}
    tensors = counts | {name: value for name, value in published.items() if not name.startswith(IGNORED)}
    check_tensors(network, tensors)
    write_tensors(target, tensors)


def main(arguments: list[str]) -> int:
    """Convert the weights, print the target, and return the exit code."""
    if len(arguments) != 1:
        print(f"Error: name the file that you downloaded from {URL}", file=sys.stderr)
        return 2
    try:
        target = cached("inception.safetensors")
        convert(Path(arguments[0]), target)
    except GenzooError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{target} (SHA-256 {digest(target)})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
