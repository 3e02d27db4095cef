"""Tensors that files of earlier versions lack."""

import pytest
import torch
from torch import nn

from genzoo.errors import ArtifactError
from genzoo.models.state_dict import load_tensors


class Grown(nn.Module):
    """A module with one tensor from the beginning and one that came later."""

    newer_tensors = ("later",)

    def __init__(self):
        super().__init__()
        self.register_buffer("first", torch.zeros(2))
        self.register_buffer("later", torch.full((3,), 7.0))


@pytest.mark.parametrize("assign", [False, True])
def test_a_file_may_lack_newer_tensors_and_no_others(assign):
    module = nn.Sequential(Grown(), Grown())
    old = {"0.first": torch.ones(2), "1.first": torch.ones(2)}
    load_tensors(module, old, assign=assign)
    assert torch.equal(module[1].first, torch.ones(2))
    assert torch.equal(module[1].later, torch.full((3,), 7.0))
    load_tensors(module, old | {"0.later": torch.ones(3)}, assign=assign)
    assert torch.equal(module[0].later, torch.ones(3))
    with pytest.raises(ArtifactError, match=r"'0\.first' is only in one"):
        load_tensors(module, {"1.first": torch.ones(2)}, assign=assign)
    with pytest.raises(ArtifactError, match="'other' is only in one"):
        load_tensors(module, old | {"other": torch.ones(1)}, assign=assign)
