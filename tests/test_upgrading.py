"""The page on upgrading is right: what 0.1.0 called it still works, and means what the page says."""

import json
import re
import shlex
from operator import attrgetter
from pathlib import Path

import pytest
from PIL import Image

import genzoo
from genzoo.plugins.api1 import OPTIMIZER, PARAM_GROUPS, TRAINING
from genzoo.plugins.manager import get_registry

PAGE = (Path(__file__).parents[1] / "docs" / "upgrading.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([^`|]+)` \| `([^`|]+)` \|$", PAGE, re.MULTILINE)
COMMANDS = [row for row in ROWS if row[0].startswith("train ")]
NAMES = [row for row in ROWS if row[0].startswith("genzoo.")]


def resolved(cli, words):
    """Return the settings that a training would have, and its notes."""
    code, out, err = cli(*shlex.split(words), "--precision", "fp32", "--dry-run", "--json")
    assert code == 0, err
    return json.loads(out)["config"], err


@pytest.fixture
def photos(cli):
    """A folder of images in the current one, which `cli` has made."""
    Path("photos").mkdir()
    for number in range(20):
        Image.new("L", (8, 8), number).save(f"photos/{number}.png")


@pytest.mark.parametrize(("former", "current"), COMMANDS, ids=[former for former, _ in COMMANDS])
def test_a_former_command_means_the_current_one_and_says_so(cli, photos, former, current):
    before, note = resolved(cli, former)
    now, silence = resolved(cli, current)
    assert before == now
    assert "is now called" in note
    assert "is now called" not in silence


@pytest.mark.parametrize(("former", "current"), NAMES)
def test_a_former_name_in_python_is_the_current_one(former, current):
    found, expected = (attrgetter(name.removeprefix("genzoo."))(genzoo) for name in (former, current))
    if isinstance(found, property):  # an alias, which reads the attribute that it was made for
        assert current.rpartition(".")[2] in found.__doc__
    else:
        assert found is expected


def test_the_page_has_every_former_name():
    registry = get_registry()
    former = {*TRAINING, *OPTIMIZER, *PARAM_GROUPS, "colour", "grey", "binarise"}
    for entry in (*registry.models, *registry.objectives):
        if entry.distribution != "genzoo-toy":
            former |= {name.rpartition("=")[2] for name in entry.spec.renamed}
    former |= {name for entry in registry.metrics for name in entry.spec.former_names}
    assert not {name for name in former if not re.search(rf"\b{name}\b", PAGE)}
