"""The reference says all there is and nothing else: its tables are held against the code."""

import ast
import dataclasses
import inspect
import re
import shlex
from pathlib import Path

import click
import pytest

import genzoo
from genzoo import errors
from genzoo.cli.main import root
from genzoo.models import base
from genzoo.plugins import hookspecs
from genzoo.testing.check import promises

ROOT = Path(genzoo.__file__).parent
DOCS = ROOT.parent / "docs"
REFERENCE = (DOCS / "reference.md").read_text(encoding="utf-8")
COMMANDS = (DOCS / "commands.md").read_text(encoding="utf-8")
SPECS = ("ModelSpec", "ObjectiveSpec", "DatasetSpec", "MetricSpec", "ExtractorSpec", "TransformSpec", "CallbackSpec")


def section(title: str) -> str:
    """What stands below a heading, up to the next of its rank or above."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,2}} |^\1 |\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    assert found, f"The reference has no section {title!r}."
    return found[2]


def rows(text: str) -> list[list[str]]:
    """The cells of every row of every table, without headings."""
    tables = re.findall(r"^\|(?!--).+\|\n\|--.*\n((?:^\|.*\n?)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for table in tables for line in table.splitlines()]


def first_cells(text: str) -> list[str]:
    return [re.sub(r"^\| *", "", row[0]).strip("`") for row in rows(text)]


def public(cls: type) -> set[str]:
    """Methods and attributes that a class adds to its parent's."""
    return {name for name in [*vars(cls), *vars(cls).get("__annotations__", {})] if not name.startswith("_")}


def test_every_hook_is_described():
    found = {name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.GROUP}_spec")}
    assert len(found) == 7
    assert set(first_cells(section("Hooks"))) == found


@pytest.mark.parametrize("name", [*SPECS, "DataSpec", "Feature", "Dataset"])
def test_every_field_of_a_spec_is_described_in_its_order(name):
    fields = [field.name for field in dataclasses.fields(getattr(genzoo, name))]
    assert first_cells(section(name)) == fields


@pytest.mark.parametrize(("name", "before"), [("MetricInput", "`Score` has:"), ("Score", "`feature_pair")])
def test_every_field_of_what_metrics_get_and_give_is_described(name, before):
    text = section("Metrics and extractors").partition(before)[0]
    fields = [field.name for field in dataclasses.fields(getattr(genzoo, name))]
    assert first_cells(text)[-len(fields) :] == fields


def test_every_capability_is_described_with_its_class_and_its_methods():
    found = {cells[0].strip("`| "): cells[1:] for cells in rows(section("Capabilities"))}
    assert set(found) == {base.capability_name(cls) for cls in base.CAPABILITIES}
    for cls in base.CAPABILITIES:
        named, has = found[base.capability_name(cls)]
        assert named == f"`{cls.__name__}`"
        for method in cls.__abstractmethods__:
            assert re.search(rf"`{method}\b", has), f"{cls.__name__}.{method}"


def test_every_part_of_a_generator_and_of_objectives_is_described():
    models, objectives = section("Models").partition("### Capabilities")[0], section("Objectives")
    assert set(first_cells(models)) == public(base.Generator) - {"sample"}
    kinds = (genzoo.Objective, genzoo.GradientObjective, genzoo.EMObjective, genzoo.DirectObjective)
    assert set(first_cells(objectives)) == set().union(*map(public, kinds))


def test_every_name_of_the_facade_is_mentioned():
    assert not [name for name in genzoo.__all__ if not re.search(rf"`@?(genzoo\.)?{name}\b", REFERENCE)]


def test_every_exit_code_is_described():
    classes = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, genzoo.GenzooError)]
    expected = {(str(cls.exit_code), cls.__name__) for cls in classes if cls is not genzoo.Interrupted}
    expected |= {("0", "–"), ("130", "Interrupted"), ("143", "Interrupted")}
    assert {(cells[0].strip("| "), cells[1].strip("`")) for cells in rows(section("Exit codes"))} == expected


def test_every_environment_variable_is_described():
    found = set()
    for path in ROOT.rglob("*.py"):
        strings = (
            node.value
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant)
        )
        found |= {text for text in strings if isinstance(text, str) and re.fullmatch(r"GENZOO_[A-Z_]*[A-Z]", text)}
    assert set(first_cells(section("Environment variables"))) == found - {"GENZOO_API"}


def test_every_promise_is_described():
    expected = "\n".join(map(promise_table, ("model", "metric", "dataset", "transform")))
    assert expected in section("Promises"), f"Write these tables to docs/reference.md:\n{expected}"
    assert len(rows(section("Promises"))) == len(rows(expected))


def promise_table(sort):
    lines = [f"| of a {sort} | is promised |", "|---|---|"]
    lines += [f"| `{promise.name}` | {promise.sentence} |" for promise in promises(sort)]
    return "\n".join(lines) + "\n"


def commands(group, words=("genzoo",)):
    """The words of every command; those of a group that was written for it, too, but no model's name."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        below = (*words, name)
        if isinstance(command, click.Group) and name != "train":
            yield from commands(command, below)
        else:
            yield " ".join(below)


def test_every_command_is_described_with_an_example_that_parses():
    table = re.findall(r"^\| `(genzoo [a-z ]+)` \|", COMMANDS, re.MULTILINE)
    assert set(table) == set(commands(root))
    examples = re.findall(r"^(genzoo .+)$", COMMANDS.partition("For example")[2], re.MULTILINE)
    for command in table:
        assert any(example.startswith(command) for example in examples), command
    for example in examples:
        assert_parses(root, example.split()[1:])


PAGES = [DOCS.parent / "README.md", *sorted(page for page in DOCS.glob("*.md") if page.name != "guide.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_shows_parses(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("settings.toml", "plugins.txt", "config.json"):  # what options that read a file name must exist
        (tmp_path / name).touch()
    for title, block in re.findall(
        r'^```python title="([^"/]+)"\n(.*?)^```$', page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    ):
        (tmp_path / title).write_text(block, encoding="utf-8")
    for command in shown_commands(page.read_text(encoding="utf-8"), in_sentences=page.name == "README.md"):
        words = shlex.split(command, comments=True)
        known = root.list_commands(click.Context(root))
        if words and words[0] in known and not {"--help", "NAME", "COMMAND", "MODEL"} & set(words):
            assert_parses(root, words[: words.index(">")] if ">" in words else words)


def shown_commands(text, in_sentences):
    """Yield what follows `genzoo` in every command of a page, in blocks and, if asked for, in sentences."""
    for language, block in re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if language in ("", "console"):
            yield from re.findall(r"^(?:\$ )?(?:GENZOO_\w+=\S+ |torchrun .*-m )?genzoo (.+)", block, re.MULTILINE)
    if in_sentences:
        yield from re.findall(r"`genzoo ([^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def assert_parses(command, words):
    """Check that a command has the options and arguments; run nothing."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        command.parse_args(context, list(words))
        left = [*context._protected_args, *context.args]
        if left:
            assert_parses(command.get_command(context, left[0]), left[1:])
    else:
        command.make_context(words and words[0], list(words))
