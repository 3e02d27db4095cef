"""What people read is plain English: texts, help, errors and docstrings hold none of these phrases."""

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLACES = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs",
    "benchmarks",
    *sorted(f"genzoo/{path.name}" for path in (ROOT / "genzoo").iterdir() if path.is_dir() and path.name[0] != "_"),
    *sorted(path.name and f"genzoo/{path.name}" for path in (ROOT / "genzoo").glob("*.py*")),
    *sorted(f"plugins/{path.name}" for path in (ROOT / "plugins").iterdir() if path.is_dir()),
]

_STEMS = (
    "optimis|normalis|initialis|binaris|dequantis|standardis|regularis|serialis|summaris|recognis|minimis|maximis|"
    "generalis|memoris|organis|randomis|vectoris|discretis|parametris|factoris|characteris|finalis|realis(?!t)|"
    "behaviour|colour|favour|neighbour|honour|labell|modell|travell|cancell(?!ation)|signall|catalogue|artefact|"
    "analys(?:e\\b|ed|ing)|grey|centre"
)
BANNED = {
    "a pronoun for a noun": r"\b(?:that|those|these) of\b|\bof (?:which|whose|whom)\b",
    "passive dress": r"\b(?:held|hold|holds) against\b|\b(?:is|are|was|were|be|been|being) told\b"
    r"|\btold (?:of|what|to)\b|\b(?:go|goes|went|going) by\b|\bseen out\b|\bto judge by\b|\bjudged? by\b"
    r"|\bas asked for\b|\bis asked of\b",
    "nobody in particular": r"\b(?:whoever|whatever|whichever|nobody's|anybody's|somebody)\b",
    "where for if": r"\bwhere (?:there (?:is|are|was|were)|it (?:is|was|does|has|can)|they (?:are|were|do|have|can)|"
    r"none|one (?:is|was)|that (?:is|was))\b",
    "without for the default": r"\bwithout(?: (?:one|it|them|any))?[.;,:)]|\bwithout$",
    "archaic": r"\bfor want of\b|\bhas no use for\b|\bin place of\b|\bsuch as are\b|\bthereof\b|\bwhereof\b"
    r"|\bin the midst\b|\bas long as it\b|\bit is to be\b|\bare to be\b|\bis to be\b|\bwas to be\b|\bby now\b"
    r"|\bto no\b|\bat all events\b",
    "refuse and tell for check, raise and print": r"\b[Rr]efus(?:e|es|ed|ing|al)\b|\btells?\b",
    "British spelling": rf"(?i)\b(?:un|re|de)?(?:{_STEMS})",
}
OPENING = re.compile(
    r"(?:What|Where|Whether|How|Of|Whose|Which|When|Why|Those|That|It|They|In|By|As|For|All that|Never)\b"
)
"""Words that begin no docstring of a function; a class or a constant may begin with its noun."""
_LONGEST = 35
"""Words of the longest sentence of a page."""


def _pages(place: Path) -> list[Path]:
    files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    return [path for path in files if path.suffix in {".md", ".py", ".pyi", ".html", ".jinja", ".j2", ".toml"}]


def _prose(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of what people read in a file; identifiers and code are left out."""
    text = path.read_text()
    if path.suffix in {".py", ".pyi"}:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.JoinedStr):
                yield node.lineno, "".join(p.value if isinstance(p, ast.Constant) else "0" for p in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
                yield node.lineno, node.value
        with path.open("rb") as file:
            for token in tokenize.tokenize(file.readline):
                if token.type == tokenize.COMMENT:
                    yield token.start[0], token.string
    else:
        bare = re.sub(r"```.*?```", lambda code: "\n" * code[0].count("\n"), text, flags=re.DOTALL)
        yield from enumerate(bare.splitlines(), 1)


def _is_code(text: str) -> bool:
    """Whether a string is not prose: markup, a pattern, a query."""
    return bool(re.search(r"[{}<>\\]|\(\?|^\s*[-\w.]+\s*=", text)) and "." not in text


def _plain(text: str) -> str:
    """Text without what it quotes."""
    return re.sub(r"`[^`]*`|\"[^\"]*\"|'\w[^']*'(?!\w)|https?://\S+|\[[^\]]*\]\([^)]*\)", "0", text)


def faults(place: str) -> list[str]:
    """Each banned phrase of a place, as file, line and phrase."""
    found = []
    for path in _pages(ROOT / place):
        for line, text in _prose(path):
            if _is_code(text):
                continue
            where, plain = f"{path.relative_to(ROOT)}:{line}", _plain(text)
            for kind, pattern in BANNED.items():
                found += [
                    f"{where}: {kind}: {hit[0]!r} in {plain[max(0, hit.start() - 30) : hit.end() + 30]!r}"
                    for hit in re.finditer(pattern, plain)
                ]
    return found


def openings(place: str) -> list[str]:
    """Docstrings of functions whose first word is neither a verb nor a noun."""
    found = []
    for path in _pages(ROOT / place):
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if any(isinstance(each, ast.Name) and "property" in each.id for each in node.decorator_list):
                continue  # a property is a noun
            text = ast.get_docstring(node) or ""
            if OPENING.match(text):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}: {text.splitlines()[0]!r}")
    return found


@pytest.mark.parametrize("place", PLACES)
def test_texts_hold_no_banned_phrase(place):
    assert not (found := faults(place)), "\n".join(["", *found])


@pytest.mark.parametrize("place", PLACES)
def test_docstrings_of_functions_begin_with_a_verb(place):
    assert not (found := openings(place)), "\n".join(["", *found])


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda p: p.name
)
def test_pages_have_no_long_sentence(page):
    bare = re.sub(r"```.*?```|^\|.*$|^#.*$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    blocks = re.split(r"\n\s*\n|\n\s*(?:[-*]|\d+\.) ", bare)
    sentences = [s for block in blocks for s in re.split(r"(?<=[.!?:;])\s+", " ".join(block.split()))]
    assert not [s for s in sentences if len(s.split()) > _LONGEST]


def test_test_names_are_short():
    long = [
        f"{path.relative_to(ROOT)}: {node.name} ({len(node.name)})"
        for folder in ("tests", "plugins")
        for path in sorted((ROOT / folder).rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and len(node.name) > 70
    ]
    assert not long, "\n".join(["", *long])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The mean, that of the first.", "a pronoun for a noun"),
        ("Samples are held against at most 10,000 events.", "passive dress"),
        ("Removes it where there is one.", "where for if"),
        ("Draws; 64 without.", "without for the default"),
        ("Refuses a folder.", "refuse and tell for check, raise and print"),
        ("Normalisation of weights.", "British spelling"),
    ],
)
def test_the_patterns_find_what_they_are_for(text, kind):
    assert re.search(BANNED[kind], _plain(text))
