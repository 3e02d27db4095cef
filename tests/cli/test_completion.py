"""Completion in shells: what is offered, that it imports nothing slow, and that it follows what is installed."""

import contextlib
import importlib.resources
import json
import os
import shutil
import subprocess
import sys

import click
import pytest

from genzoo.cli.completion import table as table_module
from genzoo.cli.completion.answer import complete, words_of
from genzoo.cli.completion.table import current_table, make_table
from genzoo.cli.main import main, root
from genzoo.plugins.manager import get_registry


@pytest.fixture(scope="module")
def table():
    return json.loads(json.dumps(make_table()))


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("GENZOO_CACHE", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)


def offered(table, line):
    return [value for value, _ in complete(words_of(line), table).values]


def test_every_command_and_option_of_the_command_line_is_offered(table):
    def check(path, command):
        context = click.Context(command, info_name=path)
        line = f"genzoo {path} " if path else "genzoo "
        if isinstance(command, click.Group):
            names = command.list_commands(context)
            assert offered(table, line) == names
            for name in names:
                check(f"{path} {name}".strip(), command.get_command(context, name))
        options = [one for one in command.get_params(context) if isinstance(one, click.Option) and not one.hidden]
        long = [name for one in options for name in (*one.opts, *one.secondary_opts) if name.startswith("--")]
        assert [name for name in offered(table, f"{line}--") if name.startswith("--")] == long

    check("", root)


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("genzoo tr", ["train"]),
        ("genzoo train gm", ["gmm"]),
        ("genzoo models gm", ["gmm"]),
        ("genzoo --debug tr", ["train"]),
        ("PATH=x .venv/bin/genzoo tr", ["train"]),
        ("genzoo train gmm --thr", []),
        ("genzoo score x --thre", ["--threshold"]),
        ("genzoo score x --threshold 0.1 --thre", []),
        ("genzoo train gmm --data ir", ["iris"]),
        ("genzoo train gmm --data=ir", ["--data=iris"]),
        ("genzoo train gmm --split ", ["random", "contiguous", "time=", "hash="]),
        ("genzoo train gmm --precision fp", ["fp64", "fp32", "fp16"]),
        ("genzoo train gmm -o n_comp", ["n_components="]),
        ("genzoo train gmm -o covariance_type=t", ["covariance_type=tied"]),
        ("genzoo train gmm -o noise=", ["noise=false", "noise=true"]),
        ("genzoo train dcgan -o objective=h", ["objective=hinge"]),
        ("genzoo train dcgan -o preset=", ["preset=tutorial", "preset=paper"]),
        ("genzoo compare gaussian naive", ["naive-bayes"]),
        ("genzoo compare gmm:n_comp", ["gmm:n_components="]),
        ("genzoo compare 'gmm:n_components=1..9,covariance_type=ti", ["gmm:n_components=1..9,covariance_type=tied"]),
        ("genzoo compare 'gmm:covariance_type=full|ti", ["gmm:covariance_type=full|tied"]),
        ("genzoo compare gmm -o split.met", ["split.method="]),
        ("genzoo compare gmm --by bi", ["bic", "bits-per-byte", "bits-per-dim", "bits-per-sample"]),
        ("genzoo evaluate x --metric cover", ["coverage"]),
        ("genzoo evaluate x --features pix", ["pixels"]),
        ("genzoo plugins fr", ["freeze"]),
        ("genzoo plugins doctor genzoo-g", ["genzoo-gan"]),
        ("genzoo completion z", ["zsh"]),
        ("genzoo nonsense ", []),
        ("genzoo score x -- --th", []),
        ("genzoo models gmm ", []),
        ("genzoo", ["models"]),
    ],
)
def test_a_line_is_completed_by(table, line, values):
    found = offered(table, line)
    assert found == values if line != "genzoo" else found[:1] == values


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A table, a run that is sampled given a condition, one of a table, and a file of models, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("age;pay, net;`id`;sex\n1;2;3;f\n")
    (tmp_path / "numbers.csv").write_text("1,2\n3,4\n")
    (tmp_path / "my.py").write_text("import x\nclass One(x.M):\n    class Inner: pass\nclass Two: pass\n")
    species = {"name": "species", "levels": ["setosa", "virginica", "$(rm)"]}
    width = {"name": "width", "levels": None}
    for name, condition in (("given", [species]), ("table", [])):
        (tmp_path / "runs" / name).mkdir(parents=True)
        data = {"modality": "table", "features": [width, species], "condition": condition}
        (tmp_path / "runs" / name / "run.json").write_text(json.dumps({"data": data}))
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "run.json").write_text("[" * 100_000)
    return tmp_path


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("genzoo sample given --given ", ["species="]),
        ("genzoo sample given --given=sp", ["--given=species="]),
        ("genzoo sample runs/given --given species=", ["species=setosa", "species=virginica"]),
        ("genzoo sample given --given species=v", ["species=virginica"]),
        ("genzoo sample table --given w", ["width="]),
        ("genzoo sample broken --given ", []),
        ("genzoo sample nothing --given ", []),
        ("genzoo sample --given ", []),
        ("genzoo train gmm --data t.csv --condition ", ["age", "sex", "label"]),
        ("genzoo train gmm --data t.csv --condition age,s", ["age,sex"]),
        ("genzoo train gmm --condition ", ["label"]),
        ("genzoo train gmm --data=t.csv --drop age,", ["age,sex"]),
        ("genzoo train gmm --data numbers.csv --drop ", []),
        ("genzoo train gmm --data t.csv --label ", ["age", "sex"]),
        ("genzoo train gmm --data t.csv --transform a", ["age="]),
        ("genzoo train gmm --data t.csv --transform age=logi", ["age=logit"]),
        ("genzoo train gmm --transform age=log", ["age=log", "age=log-tails", "age=logit"]),
        ("genzoo train gmm --data t.csv --kind sex=c", ["sex=continuous", "sex=categorical", "sex=count"]),
        ("genzoo train gmm --data t.csv --missing s", ["sex="]),
        ("genzoo train gmm --data t.csv --bounds age=", []),
        ("genzoo train ./my.py:", ["./my.py:One", "./my.py:Two"]),
        ("genzoo train my.py:T", ["my.py:Two"]),
        ("genzoo compare gmm ./my.py:O", ["./my.py:One"]),
        ("genzoo train nothing.py:", []),
    ],
)
def test_names_in_files_are_completed(table, files, line, values):
    assert offered(table, line) == values


def test_a_path_of_a_model_is_completed_as_a_file(table):
    assert complete(words_of("genzoo train ./m"), table).mode == "files"
    assert complete(words_of("genzoo train gmm --transform a"), table).mode == "none"


def test_an_open_quotation_mark_begins_the_last_word():
    assert words_of("genzoo score 'my ru") == ["score", "my ru"]
    assert words_of('genzoo score "') == ["score", ""]
    assert words_of("genzoo score a\\") == ["score", "a"]


def test_runs_are_offered_by_name_beside_folders(table, tmp_path, monkeypatch):
    for name in ("one", "two", "other"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        if name != "other":
            (tmp_path / "runs" / name / "config.json").write_text("{}")
    monkeypatch.setenv("GENZOO_RUNS", str(tmp_path / "runs"))
    answer = complete(words_of("genzoo score "), table)
    assert [value for value, _ in answer.values] == ["one", "two"]
    assert answer.mode == "folders"
    assert offered(table, "genzoo train --resume t") == ["two"]


def test_comparisons_are_offered_and_names_that_a_shell_could_run_are_not(table, tmp_path, monkeypatch):
    for name, file in (("a b", "config.json"), ("answer", "comparison.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("{}")
    for name in ("$(touch x)", "`touch x`", "two\nlines"):
        shutil.copytree(tmp_path / "a b", tmp_path / name)
    monkeypatch.setenv("GENZOO_RUNS", "~")
    assert offered(table, "genzoo report ") == ["a b", "answer"]


def test_files_are_offered_only_where_a_path_fits(table):
    modes = {
        line: complete(words_of(line), table).mode
        for line in ("genzoo data ", "genzoo score x --out ", "genzoo train gmm --out ", "genzoo models ")
    }
    assert list(modes.values()) == ["files", "files", "folders", "none"]


def test_values_that_go_on_are_not_ended_by_a_space(table):
    assert complete(words_of("genzoo train gmm -o n_comp"), table).mode == "open"
    assert complete(words_of("genzoo compare gmm:covariance_type=ti"), table).mode == "open"
    assert complete(words_of("genzoo tr"), table).mode == "none"


def ask(line, shell="fish", **environment):
    asked = {**os.environ, "_GENZOO_COMPLETE": shell, "_GENZOO_LINE": line, **environment}
    code = (
        "import sys; from genzoo.cli.entry import start; start();"
        "print([name for name in ('torch', 'pydantic', 'click', 'pluggy') if name in sys.modules], file=sys.stderr)"
    )
    return subprocess.run([sys.executable, "-c", code], env=asked, capture_output=True, text=True, check=True)


def test_an_answer_imports_nothing_slow_once_the_table_is_kept():
    first, second = ask("genzoo train gm"), ask("genzoo train gm")
    summary = get_registry().models.get("gmm").spec.summary
    assert first.stdout == second.stdout == f"none\ngmm\t{summary}\n"
    assert "torch" not in first.stderr
    assert second.stderr == "[]\n"


def test_the_table_is_made_again_if_a_source_file_or_a_package_changes(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(table_module, "make_table", lambda: made.append(1) or {"made": len(made)})
    assert [current_table()["made"] for _ in range(2)] == [1, 1]
    source = tmp_path / "source.py"
    source.write_text("")
    (kept,) = (tmp_path / "cache" / "genzoo").glob("completion-*.json")
    content = json.loads(kept.read_text())
    content["files"][str(source)] = source.stat().st_mtime_ns
    kept.write_text(json.dumps(content))
    assert current_table()["made"] == 1
    os.utime(source, ns=(1, 1))
    assert current_table()["made"] == 2
    packages = tmp_path / "packages"
    packages.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(packages)])
    assert [current_table()["made"] for _ in range(2)] == [3, 3]
    (packages / "new").mkdir()
    os.utime(packages, ns=(1, 1))
    assert current_table()["made"] == 4


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"key": 1}', "null"])
def test_a_damaged_table_is_made_again(damage, tmp_path, monkeypatch):
    monkeypatch.setattr(table_module, "make_table", lambda: {"made": 1})
    current_table()
    (kept,) = (tmp_path / "cache" / "genzoo").glob("completion-*.json")
    kept.write_text(damage)
    assert current_table() == {"made": 1}


def test_a_home_that_cannot_be_written_to_only_makes_answers_slower(tmp_path, monkeypatch):
    monkeypatch.setattr(table_module, "make_table", lambda: {"made": 1})
    (tmp_path / "cache").write_text("a file")
    assert current_table() == {"made": 1}


def test_bash_replaces_only_the_part_after_its_word_breaks():
    line = "genzoo compare gmm:covariance_type=ti"
    assert ask(line, "bash", _GENZOO_WORD="ti").stdout == "open\ntied\n"
    assert ask("genzoo compare 'gmm:cov", "bash", _GENZOO_WORD="'gmm:cov").stdout == "open\ngmm:covariance_type=\n"
    assert ask("genzoo compare gmm:", "bash", _GENZOO_WORD=":").stdout.splitlines()[1] == "covariance_type="


def bash(line, place):
    bash_path = shutil.which("bash")
    if bash_path is None:
        pytest.skip("there is no bash")
    script = subprocess.run(
        [sys.executable, "-m", "genzoo", "completion", "bash"], capture_output=True, text=True, check=True
    ).stdout
    program = f"{sys.executable} -m genzoo"
    code = (
        f'genzoo() {{ {program} "$@"; }}\n{script}\n_read() {{ read -ra COMP_WORDS <<< "$COMP_LINE"; }}\n'
        f"COMP_LINE={line!r}; COMP_POINT=${{#COMP_LINE}}; _read; COMP_CWORD={place}\n"
        '_genzoo_complete genzoo; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return subprocess.run([bash_path, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_bash_gets_the_completions():
    assert bash("genzoo tr", 1) == ["train"]
    assert bash("genzoo train gmm --prec", 3) == ["--precision"]


def test_bash_quotes_names_of_runs_also_if_there_is_no_such_folder(tmp_path):
    program = shutil.which("bash")
    if program is None:
        pytest.skip("there is no bash")
    script = importlib.resources.files("genzoo.cli.completion").joinpath("shells/genzoo.bash").read_text()
    start = tmp_path / "start"
    start.write_text(f"{script}\ngenzoo() {{ printf 'folders\\na b;c\\n'; }}\nbind 'set bell-style none'\n")
    outer, inner = os.openpty()
    words = [program, "--noprofile", "--rcfile", str(start), "-i"]
    shell = subprocess.Popen(words, stdin=inner, stdout=inner, stderr=inner, cwd=tmp_path, start_new_session=True)
    os.close(inner)
    os.write(outer, b"genzoo score a\t\x01printf '<%s>' \rexit\r")  # Ctrl-A: go to the beginning of the line
    shown = b""
    with contextlib.suppress(OSError):  # the shell has ended
        while read := os.read(outer, 1000):
            shown += read
    os.close(outer)
    assert shell.wait() == 0
    assert b"<genzoo><score><a b;c>" in shown


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_printed_whole(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "_GENZOO_COMPLETE" in script
    checker = shutil.which(shell)
    if checker is not None:
        subprocess.run([checker, "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize(
    ("shell", "script", "startup"),
    [
        ("bash", ".local/share/genzoo/genzoo.bash", ".bashrc"),
        ("zsh", ".local/share/genzoo/genzoo.zsh", ".zshrc"),
        ("fish", ".config/fish/completions/genzoo.fish", None),
    ],
)
def test_install_writes_the_script_and_one_line(shell, script, startup, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SHELL", f"/bin/{shell}")
    if startup is not None:
        (tmp_path / startup).write_text("alias a=b")
    for _ in range(2):
        assert main(["completion", "--install"]) == 0
    assert "genzoo" in (tmp_path / script).read_text()
    if startup is not None:
        path = tmp_path / script
        assert (tmp_path / startup).read_text() == f"alias a=b\n[ -r {path} ] && . {path}\n"
    capsys.readouterr()
    assert main(["completion", "--install", "--json"]) == 0
    expected = {"shell": shell, "out": str(tmp_path / script), "startup": startup and str(tmp_path / startup)}
    assert json.loads(capsys.readouterr().out) == expected


def test_the_line_of_a_home_with_an_odd_name_runs_nothing(tmp_path, capsys, monkeypatch):
    home = tmp_path / 'a "$(touch x)" b'
    monkeypatch.setenv("HOME", str(home))
    assert main(["completion", "bash", "--install"]) == 0
    program = shutil.which("bash")
    if program is not None:
        line = (home / ".bashrc").read_text()
        subprocess.run([program, "-c", f"{line}complete -p genzoo"], cwd=tmp_path, check=True, capture_output=True)
    assert not (tmp_path / "x").exists()


def test_an_unknown_shell_is_named_with_those_that_are_known(capsys, monkeypatch):
    assert main(["completion", "tcsh"]) == 2
    assert "bash, zsh, fish" in capsys.readouterr().err
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert main(["completion"]) == 2
    assert "genzoo completion bash" in capsys.readouterr().err


def test_a_home_that_is_a_file_is_an_error_in_words(tmp_path, capsys, monkeypatch):
    home = tmp_path / "home"
    home.write_text("")
    monkeypatch.setenv("HOME", str(home))
    assert main(["completion", "bash", "--install"]) == 1
    assert "cannot be written" in " ".join(capsys.readouterr().err.split())
