"""The page of results: one section per machine, one line of a table per row, rewritten after every row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from genzoo.storage.atomic import write_bytes
from gpu_rows.measure import Result, Timing
from gpu_rows.row import Bar, Place, Row

BEGIN, END = "<!-- results: written by benchmarks/gpu.py -->", "<!-- end of results -->"
COLUMNS = (
    "row",
    "workload",
    "genzoo",
    "eager loop",
    "compiled loop",
    "genzoo / eager",
    "genzoo / compiled",
    "share of the limit",
    "launches per step",
    "peak memory, MiB",
    "same bits",
    "start, s",
    "bar",
    "measured",
)
CONTENDERS = ("genzoo", "eager", "compiled")
DASH = "–"
_ROW = re.compile(r"\| (`[^`]+`) \|")


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine of a section, and the versions of its latest run.

    Arguments:
        name: of the GPU, or of the CPU; the heading of the section.
        versions: genzoo, torch, CUDA, Python, by name.
        limits: the measured limits in words.
        date: of the run, such as 2026-01-31.
    """

    name: str
    versions: Mapping[str, str]
    limits: str
    date: str

    def heading(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"### {self.name}\n\nLatest run: {self.date}, {versions}. {self.limits}".rstrip()

    def measured(self) -> str:
        """Date and versions in a line of the table, since lines of one section may come from several runs."""
        return f"{self.date}, genzoo {self.versions['genzoo']}, torch {self.versions['torch']}"


def is_judged(machine: str) -> bool:
    """Check whether the bars are for this machine: an H100 or H200."""
    return re.search(r"\bH[12]00\b", machine) is not None


def cells(row: Row, place: Place, result: Result, machine: Machine) -> dict[str, str]:
    """Return a line of the table: text by column."""
    judged = is_judged(machine.name) and not place.short
    texts = (
        f"`{row.name}`",
        row.describe(place),
        *(_figure(row, place, result, name) for name in CONTENDERS),
        *(_ratio(result.ratios.get(name)) for name in CONTENDERS[1:]),
        "not for genzoo, which computes this on the CPU"
        if row.on_host and "genzoo" in result.timings
        else _shares(result),
        DASH if result.launches is None else f"{result.launches.kernels:.0f} + {result.launches.graphs:.0f}",
        _of_each(result, lambda timing: DASH if timing.peak is None else f"{timing.peak / 2**20:,.0f}"),
        {True: "yes", False: "no", None: DASH}[result.repeats],
        _of_each(result, lambda timing: f"{timing.start:.1f}"),
        bars(row, place, result) if judged else DASH,
        machine.measured(),
    )
    return dict(zip(COLUMNS, texts, strict=True))


def _figure(row: Row, place: Place, result: Result, name: str) -> str:
    if name in result.failures:
        return f"failed: {result.failures[name]}"
    if name not in result.timings:
        return DASH
    return f"{number(row.figure(place, result.timings[name].step))} {row.unit}"


def number(value: float) -> str:
    """Format a figure with three digits or more."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(value: float | None) -> str:
    return DASH if value is None else f"{value:.2f}×"


def _shares(result: Result) -> str:
    """Return the share of each limit, the largest first and in bold."""
    ordered = sorted(result.shares.items(), key=lambda item: -item[1])
    words = [f"{name} {share:.1%}" for name, share in ordered]
    words = [f"**{words[0]}**", *words[1:]] if words else []
    return ", ".join([*words, *(f"not counted: {note}" for note in result.notes)]) or DASH


def _of_each(result: Result, show: Callable[[Timing], str]) -> str:
    """Join what `show` makes of each contender, with a dash for one without a timing."""
    texts = [show(result.timings[name]) if name in result.timings else DASH for name in CONTENDERS]
    return DASH if set(texts) == {DASH} else " / ".join(texts)


def bars(row: Row, place: Place, result: Result) -> str:
    """Say of each bar whether it is reached."""
    return "; ".join(_bar(row, place, bar, result) for bar in row.bars) or DASH


def _bar(row: Row, place: Place, bar: Bar, result: Result) -> str:
    at_least = bar.of == "eager" or row.higher_is_better
    sign = "≥" if at_least else "≤"
    asked = f"{sign} {bar.value:g}× eager" if bar.of == "eager" else f"{sign} {number(bar.value)} {row.unit}"
    if bar.of == "eager":
        value = result.ratios.get("eager")
    else:
        value = row.figure(place, result.timings["genzoo"].step) if "genzoo" in result.timings else None
    if value is None:
        return f"{asked}: not measured"
    reached = value >= bar.value if at_least else value <= bar.value
    return f"{asked}: {'reached' if reached else 'missed'}"


def update(path: Path, machine: Machine, line: Mapping[str, str]) -> None:
    """Put one line into the section of a machine, atomically. All other lines and sections stay.

    Arguments:
        path: the page; one without an explanation is begun if there is none.
        line: text by column, as `cells` gives it.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else "# Performance\n"
    before, results, after = _split(text)
    sections = dict(_sections(results))
    lines = dict(_lines(sections.get(machine.name, "")))
    lines[line["row"]] = _table_line(line.values())
    table = [_table_line(COLUMNS), _table_line(["---"] * len(COLUMNS)), *lines.values()]
    sections[machine.name] = "\n".join([machine.heading(), "", *table])
    parts = [before.rstrip(), BEGIN, *sections.values(), END, after.strip()]
    _replace(path, "\n\n".join(part for part in parts if part) + "\n")


def _split(text: str) -> tuple[str, str, str]:
    """Return the text before, between and after the marks."""
    before, _, rest = text.partition(BEGIN)
    results, _, after = rest.partition(END)
    return before, results, after


def _sections(results: str) -> list[tuple[str, str]]:
    """Each machine with the text of its section."""
    parts = re.split(r"^### ", results, flags=re.MULTILINE)[1:]
    return [(part.splitlines()[0].strip(), f"### {part.strip()}") for part in parts]


def _lines(section: str) -> list[tuple[str, str]]:
    """Each row of a section's table, by name."""
    return [(found[1], line) for line in section.splitlines() if (found := _ROW.match(line))]


def _table_line(texts: Iterable[str]) -> str:
    return "| " + " | ".join(" ".join(text.split()).replace("|", "\\|") for text in texts) + " |"


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, text.encode())
