"""Answer a shell that completes a command line of genzoo, without click, pydantic or torch."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genzoo.cli.completion.names import classes_in, columns_in, given_in, safe
from genzoo.cli.completion.table import Table, current_table

ASKED = "_GENZOO_COMPLETE"
"""Environment variable that holds the shell's name if a shell asks for completions."""


_LABEL = {"--condition": ("label",)}
"""Names that an option takes beside columns: a condition can be the labels of images."""


@dataclass(slots=True)
class Answer:
    """What can stand for the unfinished last word.

    Arguments:
        values: texts that replace the word, each with a description or an empty text.
        mode: `files` or `folders` if paths can stand there, too; `open` if the word goes on after the value.
    """

    values: list[tuple[str, str]] = field(default_factory=list)
    mode: str = "none"


def answer_shell() -> None:
    """Print the completions of the line in the environment: the mode, then a value and its description per line."""
    words = words_of(os.environ.get("_GENZOO_LINE", ""))
    answer = complete(words, current_table())
    kept = _bash_prefix(words[-1]) if os.environ[ASKED] == "bash" else 0
    lines = [answer.mode, *(f"{value[kept:]}\t{text}".rstrip("\t") for value, text in answer.values)]
    sys.stdout.write("\n".join(lines) + "\n")


def words_of(line: str) -> list[str]:
    """Split a line into the words after `genzoo`; the last one is unfinished, and may be empty.

    Examples:
        >>> words_of("genzoo train gmm --da")
        ['train', 'gmm', '--da']
        >>> words_of("A=1 bin/genzoo score 'my run' ")
        ['score', 'my run', '']
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words.extend(lexer)
    except ValueError:  # an open quotation mark
        words.append(lexer.token or "")
    else:
        if not line or line[-1].isspace():
            words.append("")
    program = next((place for place, word in enumerate(words) if Path(word).name == "genzoo"), 0)
    return words[program + 1 :] or [""]


def _bash_prefix(word: str) -> int:
    """Return how much of a word bash does not replace, because it ends words at `=` and `:` outside quotation marks."""
    current = os.environ.get("_GENZOO_WORD", word)
    if current[:1] in ("'", '"'):
        return 0
    return max(0, len(word) - (0 if current in ("=", ":") else len(current)))


def complete(words: Sequence[str], table: Table) -> Answer:
    """Return what can stand for the last of the words after `genzoo`."""
    *before, word = words
    path, rest = _command(before, table)
    command = table["commands"].get(path)
    if command is None:
        return Answer()
    line = _parse(rest, command)
    if line.pending is not None:
        return _matching(_values(line.pending, word, path, table, line), word)
    if word.startswith("-") and not line.ended:
        name, equals, value = word.partition("=")
        option = _option(command, name)
        if equals:
            known = Answer() if option is None else _values(option, value, path, table, line)
            return _prefixed(known, f"{name}=", word)
        return _matching(Answer(_option_names(command, set(line.options))), word)
    count = len(line.arguments)
    if command["subcommands"] and not count:
        names = [(name, text) for name, text in command["subcommands"]]
        own = _own_models(word) if path == "train" else None
        return _matching(own or Answer(names), word)
    arguments = command["arguments"]
    if not arguments or (count >= len(arguments) and not arguments[-1]["many"]):
        return Answer()
    return _matching(_values(arguments[min(count, len(arguments) - 1)], word, path, table, line), word)


def _command(words: Sequence[str], table: Table) -> tuple[str, list[str]]:
    """Return the name of the command, such as `train gmm`, and the words after it."""
    path, rest = "", list(words)
    while True:
        command = table["commands"].get(path)
        if command is None or not command["subcommands"]:
            return path, rest
        place = next((place for place, word in enumerate(rest) if not word.startswith("-")), None)
        names = [name for name, _ in command["subcommands"]]
        if place is None or rest[place] not in names:
            return path, rest
        path, rest = f"{path} {rest[place]}".strip(), rest[place + 1 :]


def _option(command: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((option for option in command["options"] if name in option["names"]), None)


def _option_names(command: dict[str, Any], given: set[str]) -> list[tuple[str, str]]:
    return [
        (name, option["help"])
        for option in command["options"]
        if option["many"] or given.isdisjoint(option["names"])
        for name in option["names"]
        if name.startswith("--") or len(option["names"]) == 1
    ]


@dataclass(slots=True)
class _Line:
    """The words before the unfinished one.

    Arguments:
        options: the options given, with their last values; an empty text for switches.
        arguments: the arguments.
        pending: the option that waits for its value, or `None`.
        ended: whether `--` came.
    """

    options: dict[str, str] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    pending: dict[str, Any] | None = None
    ended: bool = False


def _parse(words: Sequence[str], command: dict[str, Any]) -> _Line:
    line, name = _Line(), ""
    waiting: list[dict[str, Any]] = []
    for word in words:
        if waiting:
            waiting.pop()
            line.options[name] = word
        elif word == "--" and not line.ended:
            line.ended = True
        elif word.startswith("-") and len(word) > 1 and not line.ended:
            name, equals, value = word.partition("=")
            line.options[name] = value
            option = _option(command, name)
            if option is not None and not equals:
                waiting = [option] * option["values"]
        else:
            line.arguments.append(word)
    line.pending = waiting[-1] if waiting else None
    return line


def _matching(answer: Answer, word: str) -> Answer:
    found = [(value, text) for value, text in answer.values if value.startswith(word)]
    return Answer(found, _mode(answer.mode, found))


def _prefixed(answer: Answer, prefix: str, word: str) -> Answer:
    found = [(prefix + value, text) for value, text in answer.values]
    return _matching(Answer(found, answer.mode), word)


def _mode(mode: str, found: Sequence[tuple[str, str]]) -> str:
    return "open" if mode == "none" and found and all(value[-1] in "=:." for value, _ in found) else mode


def _values(parameter: dict[str, Any], word: str, path: str, table: Table, line: _Line) -> Answer:
    """Return the values of an option or argument."""
    kind = parameter["kind"]
    if parameter["choices"]:
        return Answer([(choice, "") for choice in parameter["choices"]])
    if kind == "RUN":
        return Answer([(name, "") for name in _runs()], "folders")
    if kind == "CANDIDATE":
        return _own_models(word) or _candidates(word, table)
    if kind == "NAME=VALUE":
        return _settings(word, table["settings"].get(path, {}))
    if kind.startswith("COL"):
        return _columns(kind, word, table, line)
    if kind == "A,B":
        return _listed(word, [*columns_in(line.options.get("--data", "")), *_LABEL.get(parameter["names"][0], ())])
    mode = {"DATA": "files", "FILE": "files", "FOLDER": "folders"}.get(kind, "none")
    return Answer([(value, text) for value, text in table["values"].get(kind, ())], mode)


def _columns(kind: str, word: str, table: Table, line: _Line) -> Answer:
    """Complete a column, or `COL=VALUE`: for `--given` of the model of a run, else of the data on the line."""
    name, equals, _ = word.partition("=")
    columns, values = columns_in(line.options.get("--data", "")), table["values"].get(kind.partition("=")[2], [])
    if kind == "COL=VALUE":
        run = line.arguments[0] if line.arguments else ""
        known = given_in((Path(run).expanduser(), _runs_folder() / run)) if run and safe(run) else {}
        columns, values = list(known), [(level, "") for level in known.get(name, ())]
    if equals:
        return Answer([(f"{name}={value}", text) for value, text in values])
    return Answer([(f"{column}=" if "=" in kind else column, "") for column in columns])


def _listed(word: str, names: Sequence[str]) -> Answer:
    """Complete the last of several names, which commas separate."""
    earlier, comma, _ = word.rpartition(",")
    left = [name for name in names if name not in earlier.split(",")]
    return Answer([(f"{earlier}{comma}{name}", "") for name in left])


def _own_models(word: str) -> Answer | None:
    """Complete `FILE.py:CLASS`; `None` if the word is no path."""
    file, colon, rest = word.partition(".py:")
    if colon:
        return None if ":" in rest else Answer([(f"{file}.py:{name}", "") for name in classes_in(f"{file}.py")])
    return Answer(mode="files") if word.startswith(("./", "../", "/", "~")) else None


def _runs_folder() -> Path:
    return Path(os.path.expanduser(os.environ.get("GENZOO_RUNS") or "runs"))  # noqa: PTH111 - raises nothing


def _runs() -> Iterator[str]:
    """List the runs and comparisons in the folder of runs by name."""
    try:
        places = sorted(_runs_folder().iterdir())
    except OSError:
        return
    for place in places:
        if safe(place.name) and any((place / name).exists() for name in ("config.json", "comparison.json")):
            yield place.name


def _settings(word: str, settings: dict[str, list[str]]) -> Answer:
    """Complete `NAME=VALUE`."""
    name, equals, _ = word.partition("=")
    if equals:
        return Answer([(f"{name}={choice}", "") for choice in settings.get(name, ())])
    return Answer([(f"{name}=", "") for name in settings])


def _candidates(word: str, table: Table) -> Answer:
    """Complete `MODEL:KEY=VALUE,KEY=VALUE`."""
    model, colon, rest = word.partition(":")
    if not colon:
        return Answer([(name, text) for name, text in table["values"].get("MODEL", ())])
    given, _, last = rest.rpartition(",")
    head = f"{model}:{given}," if given else f"{model}:"
    settings = table["settings"].get(f"train {model}", {})
    key, equals, tried = last.partition("=")
    if not equals:
        return Answer([(f"{head}{name}=", "") for name in settings])
    earlier, bar, _ = tried.rpartition("|")
    choices = settings.get(key, [])
    values = [*choices, *(["all"] if len(choices) > 1 and not bar else [])]
    return Answer([(f"{head}{key}={earlier}{bar}{value}", "") for value in values], "open")  # a comma may follow
