"""The words and the picture of a description fit the terminal, keep names, and are safe to print."""

import dataclasses
import io

import numpy as np
import pandas
import pytest
from PIL import Image

import genzoo
from genzoo.reports.description import description_sections
from genzoo.reports.description_figure import write_picture
from genzoo.reports.page import Table, Text
from genzoo.reports.rounding import mean_and_sd, number
from genzoo.spec.events import Feature


def described(columns, components=3, levels=0, names=None):
    rng = np.random.default_rng(0)
    group = rng.integers(0, components, 400)
    x = rng.normal(size=(components, columns))[group] * 3 + rng.normal(size=(400, columns))
    names = names or [f"column {i}" for i in range(columns)]
    features = [Feature(name) for name in names]
    if levels:
        x[:, 0] = (group + rng.integers(0, 2, 400)) % levels
        features[0] = Feature(names[0], "categorical", tuple(f"level {i} of many" for i in range(levels)))
    spec = genzoo.DataSpec((columns,), "table", tuple(features), storage="float64")
    data = genzoo.Dataset("given", spec, x)
    model = "naive-bayes" if levels else "gmm"
    training = {"max_iter": 5, "n_init": 1}
    return genzoo.train(model, data=data, n_components=components, training=training).describe(x)


def tables(sections):
    return [block for section in sections for block in section.blocks if isinstance(block, Table)]


def texts(sections):
    return " ".join(block.text for section in sections for block in section.blocks if isinstance(block, Text))


@pytest.mark.parametrize(("columns", "levels"), [(1, 0), (4, 3), (12, 0), (30, 20)])
def test_a_picture_is_as_large_as_its_columns_need(tmp_path, columns, levels):
    write_picture(tmp_path / "p.png", described(columns, levels=levels))
    with Image.open(io.BytesIO((tmp_path / "p.png").read_bytes())) as picture:
        assert picture.width >= 900
        assert picture.height >= 200 + 20 * columns
        assert np.asarray(picture.convert("L")).std() > 10


def test_a_column_of_dates_has_a_date_as_its_mean(tmp_path):
    frame = pandas.DataFrame({"day": pandas.date_range("2020-01-01", periods=91).date, "x": np.arange(91.0) ** 2})
    found = genzoo.train("naive-bayes", frame, n_components=1, out=tmp_path / "run").load().describe(frame)
    cells = {
        row[0]: row[1:]
        for table in tables(description_sections(found, "x", width=100))
        if table.caption.startswith("Mean")
        for row in table.rows
    }
    assert cells["day"][0].startswith("2020-02-15 ± 26.")
    assert cells["day"][0].endswith(" days")


def test_tables_of_components_fit_the_width(tmp_path):
    found = described(4, components=6, levels=5)
    for width in (80, 120, 200):
        shown = tables(description_sections(found, "x", width=width))
        parts = [table for table in shown if table.caption.startswith("Mean")]
        titles = [title for table in parts for title in table.header[1:]]
        assert sorted(titles) == sorted([*(f"component {i}" for i in range(6)), "overall"])
        for table in parts:
            rows = [table.header, *table.rows]
            widest = sum(max(len(row[i]) for row in rows) + 2 for i in range(len(table.header))) - 2
            assert widest <= width or len(table.header) == 2


def test_long_names_keep_their_ends(tmp_path):
    names = [f"{'long ' * 30}name {i}" for i in range(3)]
    found = described(3, names=names)
    write_picture(tmp_path / "p.png", found)
    cells = [cell for table in tables(description_sections(found, "x")) for row in table.rows for cell in row]
    assert max(map(len, cells)) <= 2 * 60 + 3
    assert any(cell.endswith("name 2") for cell in cells)


def test_names_with_markup_are_drawn_as_they_are(tmp_path):
    write_picture(tmp_path / "p.png", described(3, names=["$x_1$", "\x1b[31mred", "中 {%"]))


def test_differences_are_put_into_words_with_both_figures():
    found = described(4)
    first = found.components[0].distinctions[0]
    word = "high" if first.effect > 0 else "low"
    expected = f"{first.column} very {word} ({number(first.here)}, overall {number(first.overall)})"
    assert expected in texts(description_sections(found, "x"))


def test_more_than_six_components_and_twelve_columns_are_counted():
    words = texts(description_sections(described(14, components=8), "x"))
    assert "6 largest of 8 components" in words
    assert "12 columns that separate the components most are shown, of 14" in words


def test_a_comparison_with_the_data_is_a_sentence_if_they_agree():
    found = described(3)
    agreed = dataclasses.replace(found, disagreements=(), disagreeing_pairs=0)
    assert "agree on all pairs" in texts(description_sections(agreed, "x"))


def test_dependencies_that_the_model_misses_are_named():
    rng = np.random.default_rng(0)
    one = rng.normal(size=400)
    frame = pandas.DataFrame({"a": one, "b": one + rng.normal(size=400) / 9, "c": rng.choice(["x", "y"], 400)})
    sections = description_sections(genzoo.train("naive-bayes", frame, n_components=1).describe(frame), "x")
    assert "No two columns depend on each other in the model" in texts(sections)
    assert any("Model and data differ" in (table.caption or "") for table in tables(sections))


@pytest.mark.parametrize(
    ("mean", "sd", "text"),
    [
        (10.42, 1.0657, "10.4 ± 1.1"),
        (0.99674, 0.00188, "0.9967 ± 0.0019"),
        (1e6, 12345.0, "1000000 ± 12345"),
        (5.0, 0.0, "5"),
        (1.0, 1e-12, "1 ± 1e-12"),
        (2.0, float("nan"), "2"),
        (-3.2, 99.6, "-3 ± 100"),
    ],
)
def test_means_have_the_digits_of_their_spread(mean, sd, text):
    assert mean_and_sd(mean, sd) == text
