"""`genzoo describe` on every kind of model and data, in words, JSON and a picture."""

import json

import numpy as np
import pytest
from PIL import Image
from refusals import assert_refused

import genzoo


def train(model, data, out, **options):
    return genzoo.train(model, data=data, out=out, **options)


@pytest.fixture
def people(tmp_path):
    """A table of two groups with a missing value, and a mixture that knows them."""
    rng = np.random.default_rng(0)
    lines = ["age,income of the household,city"]
    for group in rng.integers(0, 2, 300):
        city = rng.choice(["York", "Rome"], p=[0.9, 0.1] if group else [0.2, 0.8])
        lines.append(f"{rng.normal(25 + 40 * group, 4):.1f},{rng.normal(900 + 1000 * group, 90):.0f},{city}")
    lines += ["25.0,,Rome", "26.0,1900,Rome"]
    (tmp_path / "people.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    train("naive-bayes", tmp_path / "people.csv", tmp_path / "run", n_components=2)
    return tmp_path / "run"


def test_groups_are_described_in_units_and_names_of_the_data(cli, people):
    code, out, err = cli("describe", people)
    assert (code, err) == (0, "")
    lead = " ".join(out.split("COMPONENTS")[0].split())
    assert "2 components" in lead
    assert "302 rows of people.csv with 3 columns" in lead
    flat = " ".join(out.split())
    assert "age very high (6" in flat or "age high (6" in flat
    assert "city York" in flat
    assert "Row 301: log-likelihood" in flat, "young with a high income"
    assert "Model and data" in out


def test_json_has_the_figures_and_nothing_else_on_stdout(cli, people, tmp_path):
    code, out, _ = cli("describe", people, "--json", "--rows", 2, "--out", tmp_path / "p.png")
    found = json.loads(out)
    assert code == 0
    assert (found["schema"], found["rows"], len(found["unlikely"])) == (1, 302, 2)
    assert found["out"] == str(tmp_path / "p.png")
    assert [round(one["share"] + two["share"], 9) for one, two in [found["components"]]] == [1]
    assert sum(one["rows"] for one in found["components"]) == 302
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 800


def test_the_unlikely_row_is_explained_by_its_income(cli, people):
    _, out, _ = cli("describe", people, "--json", "--rows", 1)
    row = json.loads(out)["unlikely"][0]
    assert row["row"] == 301
    assert {one["column"] for one in row["contributions"][:2]} == {"age", "income of the household"}
    by_name = {one["column"]: one for one in row["contributions"]}
    assert by_name["income of the household"]["value"] == 1900
    assert by_name["city"]["value"] == "Rome"


def test_other_data_are_described_by_the_names_of_their_columns(cli, people, tmp_path):
    (tmp_path / "new.csv").write_text(
        "city,note,age,income of the household\nRome,x,25,900\nYork,y,65,\n", encoding="utf-8"
    )
    code, out, err = cli("describe", people, "--data", tmp_path / "new.csv", "--json")
    found = json.loads(out)
    assert code == 0
    assert "note" in err
    assert found["rows"] == 2
    assert [match["data"]["mean"] for match in found["columns"][:2]] == [45, 900]


def test_data_that_are_gone_or_never_there_leave_samples(cli, people, tmp_path):
    (tmp_path / "people.csv").unlink()
    for place in (people, people / "model"):
        code, out, _ = cli("describe", place)
        assert code == 0
        assert "described by samples" in " ".join(out.split())
        assert "Least likely" not in out
        assert "income of the household" in out
    assert "not available" in " ".join(cli("describe", people)[1].split())


def test_the_best_model_of_a_comparison_is_described(cli, tmp_path):
    genzoo.compare(["gaussian", "gmm:n_components=2"], data="iris", out=tmp_path / "answer")
    code, out, _ = cli("describe", tmp_path / "answer")
    assert code == 0
    assert "150 rows of iris" in " ".join(out.split())
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "comparison.json").write_text("{}", encoding="utf-8")
    assert_refused(cli("describe", tmp_path / "unfinished"), 4, "no best model")


def test_images_without_likelihood_are_described_shortly(cli, tmp_path):
    train("dcgan", "digits", tmp_path / "run", training={"steps": 2}, precision="fp32")
    code, out, _ = cli("describe", tmp_path / "run", "--out", tmp_path / "p.png")
    flat = " ".join(out.split())
    assert code == 0
    assert "no likelihood" in flat
    assert "no components" in flat
    assert "Values of pixels" in flat
    assert (tmp_path / "p.png").stat().st_size > 0


def test_components_of_images_are_drawn_as_mean_images(cli, tmp_path):
    run = train("gmm", "digits", tmp_path / "run", n_components=3, covariance_type="diag", training={"max_iter": 3})
    found = run.describe(rows=2)
    assert found.drawn.means.shape == (3, 1, 8, 8)
    shares = np.array([one.share for one in found.components])
    total = np.asarray(run.open_data().events[:]).mean(axis=0)
    assert np.allclose(np.tensordot(shares, found.drawn.means, 1), total, atol=1e-4)
    assert all(row.contributions == () for row in found.unlikely)
    assert cli("describe", tmp_path / "run", "--out", tmp_path / "p.png")[0] == 0


def test_a_bound_is_called_one_and_latent_dimensions_are_described(cli, tmp_path):
    train("vae", "iris", tmp_path / "run", training={"steps": 3}, precision="fp32")
    code, out, _ = cli("describe", tmp_path / "run", "--rows", 1)
    flat = " ".join(out.split())
    assert code == 0
    assert "(lower bound)" in flat
    assert "Contributions are estimated from lower bounds" in flat
    assert "latent dimensions differ between rows" in flat


@pytest.mark.parametrize("components", [1, 8])
def test_one_column_without_a_name_is_described(cli, tmp_path, components):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(200, 1)))
    train("gmm", tmp_path / "x.npy", tmp_path / "run", n_components=components)
    code, out, _ = cli("describe", tmp_path / "run", "--out", tmp_path / "p.png")
    assert code == 0
    assert f"share {'100.0%' if components == 1 else ''}" in out
    assert ("6 largest of 8" in out) == (components == 8)


def test_weights_of_the_data_count(tmp_path):
    lines = [f"{x},{1 if x < 0 else 3}" for x in np.random.default_rng(0).normal([-5, 5], 1, (60, 2)).ravel().round(3)]
    (tmp_path / "x.csv").write_text("x,w\n" + "\n".join(lines), encoding="utf-8")
    run = genzoo.train("gmm", data={"source": str(tmp_path / "x.csv"), "weight": "w"}, n_components=2)
    assert [one.share for one in run.describe().components] == pytest.approx([0.75, 0.25], abs=0.001)


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["nothing"], 4, "nothing"),
        (["RUN", "--out", "p.jpg"], 2, ".png"),
        (["RUN", "--out", "nowhere/p.png"], 2, "does not exist"),
        (["RUN", "--rows", "-1"], 2, "--rows"),
        (["RUN", "--drop", "age"], 2, "--drop"),
        (["RUN", "--data", "other.csv"], 4, "age"),
    ],
)
def test_what_cannot_be_described_is_explained(cli, people, tmp_path, words, code, expected):
    (tmp_path / "other.csv").write_text("height,city\n1,York\n2,Rome\n", encoding="utf-8")
    words = [str(people) if word == "RUN" else word for word in words]
    assert_refused(cli("describe", *words), code, expected)
