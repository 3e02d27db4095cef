"""The site of the documentation: all pages, links that lead somewhere, nothing fetched, readable on a phone."""

import html
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from browser import BROWSER, DESK, PHONE, browse
from checkout import ROOT

from genzoo.plugins.manager import get_registry

FOLDER = ROOT / "docs" / "site"
MKDOCS = ROOT / ".venv" / "site" / "bin" / "mkdocs"
SHOWN = ("index", "models", "models/vae", "metrics/frechet-distance", "tutorials/table", "faq", "peers", "json")


def module(name: str) -> ModuleType:
    """Import a script of docs/site."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    sys.modules[name] = found
    spec.loader.exec_module(found)
    return found


pages = module("pages")
assemble = module("assemble")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    assemble.assemble(folder)
    return folder


def test_each_bundled_model_and_each_metric_has_a_page_with_all_facts(site):
    models, metrics = (
        pages.facts((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")) for name in ("models", "metrics")
    )
    for entry in get_registry().models:
        if pages.is_bundled(entry):
            assert set(pages.MODEL_FACTS) <= models[entry.spec.name].keys(), entry.spec.name
            text = (site / "pages" / "models" / f"{entry.spec.name}.md").read_text(encoding="utf-8")
            assert models[entry.spec.name]["assumes"] in text
            assert f"genzoo train {entry.spec.name} --data {entry.spec.data}" in text
    for entry in get_registry().metrics:
        if pages.is_bundled(entry):
            assert set(pages.METRIC_FACTS) <= metrics[entry.spec.name].keys(), entry.spec.name
            assert (site / "pages" / "metrics" / f"{entry.spec.name}.md").is_file()


def test_tables_describe_only_models_and_metrics_that_exist():
    known = {entry.spec.name for entry in get_registry().models}
    assert pages.facts((ROOT / "docs" / "models.md").read_text(encoding="utf-8")).keys() <= known
    known = {entry.spec.name for entry in get_registry().metrics}
    assert pages.facts((ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")).keys() <= known


def test_links_of_the_site_lead_to_pages_and_the_navigation_names_each(site):
    folder = site / "pages"
    for page in folder.rglob("*.md"):
        prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)\s#]+)[^)\s]*\)", prose):
            assert "://" in target or (page.parent / target).exists(), f"{page.relative_to(folder)}: {target}"
    named = re.findall(r"(\S+\.md)$", (site / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(page.relative_to(folder).as_posix() for page in folder.rglob("*.md"))


def test_each_tutorial_leads_to_its_notebook(site):
    pages = [page for page in (site / "pages" / "tutorials").glob("*.md") if page.stem != "index"]
    assert len(pages) >= 10
    for page in pages:
        assert f']({page.stem}.ipynb){{ download="{page.stem}.ipynb" }}' in page.read_text(encoding="utf-8")
        cells = json.loads(page.with_suffix(".ipynb").read_text(encoding="utf-8"))["cells"]
        assert "".join(cells[0]["source"]).startswith(page.read_text(encoding="utf-8").partition("\n")[0])


def test_lists_and_tables_stand_after_an_empty_line(site):
    for page in (site / "pages").rglob("*.md"):
        prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for before, line in zip(prose.splitlines(), prose.splitlines()[1:], strict=False):
            for mark in ("- ", "| ", "1. "):
                fine = not before or before[0] in f"{mark[0]} #" or not line.startswith(mark)
                assert fine, f"{page.name}: {before!r} and {line!r} are one paragraph on the site"


def test_a_link_to_nothing_is_an_error():
    with pytest.raises(assemble.LostLinkError, match=r"README.md: docs/nothing.md"):
        assemble.relinked("[x](docs/nothing.md)", "README.md", "index.md", assemble.sources())
    assert assemble.relinked("`a` [x](docs/use.md#texts)", "README.md", "index.md", assemble.sources()).endswith(
        "[x](use.md#texts)"
    )


@pytest.fixture(scope="module")
def built(site) -> Path:
    if not MKDOCS.exists():
        pytest.skip("needs `make site`")
    out = site / "out"
    variables = {"GENZOO_SITE_PAGES": "pages", "GENZOO_SITE_OUT": "out", "NO_MKDOCS_2_WARNING": "1", "PATH": ""}
    done = subprocess.run(
        [MKDOCS, "build", "--strict", "--quiet"], cwd=site, env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.mark.full
@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize(("worker", "says"), [("there.js", "found"), ("gone.js", "gone.js cannot be read.")])
def test_a_search_whose_script_is_gone_says_so(tmp_path, worker, says):
    shutil.copy(FOLDER / "iframe-worker.js", tmp_path)
    (tmp_path / "there.js").write_text("addEventListener('message', event => postMessage(event.data + 'und'));")
    script = f"const w = new Worker('{worker}'); w.onmessage = e => {{ m.textContent = e.data; }}; w.postMessage('fo');"
    (tmp_path / "page.html").write_text(
        '<!doctype html><body><p id="m" class="md-search-result__meta">Initializing</p>'
        f'<script src="iframe-worker.js"></script><script>const m = document.getElementById("m"); {script}</script>'
    )
    shown = browse("--virtual-time-budget=5000", "--dump-dom", (tmp_path / "page.html").as_uri())
    assert says in re.search(r"__meta\">(.*?)</p>", shown)[1]


def _hints(text: str) -> list[str]:
    return re.findall(r"<link[^>]*rel=\"?(?:preload|preconnect|dns-prefetch)[^>]*>", text)


@pytest.mark.full
def test_pages_fetch_nothing_from_elsewhere(built):
    for page in built.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        fetched = re.findall(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"?([^\s\">]+)", text)
        fetched += re.findall(
            r"<link[^>]*rel=\"?(?:stylesheet|icon|preload|preconnect)\"?[^>]*href=\"?([^\s\">]+)", text
        )
        assert not [place for place in fetched if "://" in place or place.startswith("//")], page
    for sheet in built.rglob("*.css"):
        assert "url(http" not in sheet.read_text(encoding="utf-8")


@pytest.mark.full
@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_pages_fit_a_phone_and_a_desk_and_can_be_searched(built, tmp_path):
    frames = "".join(
        f'<iframe style="border:0;width:{width}px;height:2000px" src="{(built / f"{name}.html").as_uri()}"></iframe>'
        for name in SHOWN
        for width in (PHONE, DESK)
    )
    script = (
        "onload = () => { told.textContent = JSON.stringify([...document.querySelectorAll('iframe')].map(f => { "
        "const e = f.contentDocument.documentElement; return [e.clientWidth, e.scrollWidth, "
        "[...f.contentDocument.images].filter(i => !i.naturalWidth).length]; })); };"
    )
    frame = tmp_path / "frames.html"
    frame.write_text(f'<!doctype html><body>{frames}<p id="told"></p><script>{script}</script>', encoding="utf-8")
    options = ("--allow-file-access-from-files", "--virtual-time-budget=20000", "--dump-dom")
    shown = html.unescape(browse(*options, frame.as_uri()))
    sizes = json.JSONDecoder().raw_decode(shown[shown.index("[[") :])[0]
    assert sizes == [[width, width, 0] for _ in SHOWN for width in (PHONE, DESK)]
    assert "search_index" in "".join(path.name for path in (built / "search").iterdir())
    searched = browse("--virtual-time-budget=20000", "--dump-dom", f"{(built / 'index.html').as_uri()}?q=coverage")
    assert "metrics/coverage.html?h=coverage" in searched  # a result, and not the navigation
    shutil.rmtree(tmp_path)
