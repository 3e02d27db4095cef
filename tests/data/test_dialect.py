"""Text files as people write them, beside values worked out by hand and Python's csv module."""

import csv
import gzip
import io
import json
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import genzoo
from genzoo import ConfigError, DataError
from genzoo.config.data import DataSettings
from genzoo.config.settings import validate
from genzoo.data.inspect import inspect
from genzoo.data.loading import open_dataset, open_matching, open_source
from genzoo.data.marks import mark_remarks
from genzoo.data.readers import piped
from genzoo.plugins.manager import get_registry

pytestmark = pytest.mark.usefixtures("in_a_shell")  # whose messages they check

NAN = np.nan
FOLDERS = [parent / "shared" / "data" for parent in Path(genzoo.__file__).parents]
SHARED = next((folder for folder in FOLDERS if folder.is_dir()), None)
needs_shared = pytest.mark.skipif(SHARED is None, reason="needs the files in shared/data")


def settings_of(source, **settings):
    return validate(DataSettings, {"source": str(source), **settings}, "Data")


def read(source, **settings):
    return open_dataset(settings_of(source, **settings), get_registry())


def contents(data):
    """Names of the columns, and rows as numbers or texts."""
    features = data.spec.features
    rows = [
        [
            None if np.isnan(value) else value if feature.levels is None else feature.levels[int(value)]
            for value, feature in zip(row, features, strict=True)
        ]
        for row in data.events.tolist()
    ]
    return [feature.name for feature in features], rows


HEADERS = {
    "text above numbers": ("a,b\n1,2\n3,4\n", ["a", "b"]),
    "counted from 0": ("0,1,2,3\n50,60,70,80\n50,61,72,80\n", ["0", "1", "2", "3"]),
    "counted from 1": ("1,2,3\n5.5,6.5,7.5\n4.5,1.5,2.5\n", ["1", "2", "3"]),
    "counted behind the index of pandas": (",0,1,2\n0,5.5,6,7\n1,7.5,8,8\n", ["x0", "0", "1", "2"]),
    "rows that count on": ("1,2,3\n4,5,6\n7,8,9\n", None),
    "two binary columns": ("0,1\n1,0\n0,0\n1,1\n", None),
    "years": ("region,2001,2002\nnorth,5,6\nsouth,7,9\nwest,1,3\n", ["region", "2001", "2002"]),
    "one year": ("region,2001\nnorth,5\nsouth,7\n", ["region", "2001"]),
    "years behind an empty name": (",1990,1995\nBonn,5,6\nUlm,7,9\n", ["x0", "1990", "1995"]),
    "years and decimal commas": ("L;2001;2002\nA;1,5;2,5\nB;3,5;4,5\n", ["L", "2001", "2002"]),
    "steps": ("probe,400,450,500\na,.1,.2,.3\nb,.2,.2,.5\n", ["probe", "400", "450", "500"]),
    "rows with years": ("Bonn,1989\nUlm,2001\nJena,1995\n", None),
    "text that comes again": ("x,1\ny,2\nx,3\n", None),
    "numbers only": ("5.1,3.5\n4.9,3.0\n4.7,3.2\n", None),
    "numbers with signs only": ("$1,5%\n$2,6%\n$3,9%\n", None),
    "unique names with measures": ("Bonn,5.5,30\nUlm,2.5,20\nJena,1.5,40\n", None),
    "iris without names": ("5.1,3.5,setosa\n4.9,3.0,setosa\n6.1,2.8,virginica\n", None),
    "numbered rows with a rare text": ("1,red\n2,blue\n3,blue\n", None),
    "last name empty": ("a,b,\n1,2,3\n4,5,6\n", ["a", "b", "x2"]),
    "texts only": ("color,shape\nred,round\nblue,flat\n", ["color", "shape"]),
    "texts that come again": ("red,round\nred,flat\nblue,round\n", None),
    "text above dates": ("a,day,b\nx,2020-01-01,y\nz,2020-01-02,w\n", ["a", "day", "b"]),
    "text above truths": ("a,b\ntrue,x\nfalse,y\n", ["a", "b"]),
    "a column of numbers": ("1\n2\n3\n", None),
    "a column with a name": ("size\n1\n2\n", ["size"]),
    "missing first value": ("?,2.5\n1.5,3.5\n2.5,1.5\n", None),
    "dates above numbers": ("site,2020-01-01,2020-02-01\nn,5,6\ns,7,8\n", ["site", "2020-01-01", "2020-02-01"]),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_is_told_from_rows(tmp_path, case):
    text, names = HEADERS[case]
    (tmp_path / "a.csv").write_text(text)
    source = open_source(settings_of(tmp_path / "a.csv", missing="?"), get_registry())
    rows = list(csv.reader(io.StringIO(text), delimiter=";" if ";" in text else ","))
    assert source.names == (names or [f"x{i}" for i in range(len(rows[0]))])
    assert source.read(source.names).num_rows == len(rows) - bool(names)
    assert source.facts["header"] == ("first line names the columns" if names else "none, first line is data")


@pytest.mark.parametrize("text", ["0,1,2\n5,6,7\n5,8,8\n", "region,2001,2002\nn,5,6\ns,7,8\n"])
def test_a_header_of_numbers_is_remarked_and_can_be_overruled(table, text):
    found = table(text)
    assert len(found) == 2
    assert ["--no-header" in note for note in found.notes] == [True]
    assert len(table(text, header=False)) == 3
    assert table(text, header=True).notes == ()
    assert table("a,b,c\n1,2,3\n3,4,6\n").notes == ()


FILES = {
    "semicolons and decimal commas": ("1,5;2,3\n2,5;3,25\n", ["x0", "x1"], [[1.5, 2.3], [2.5, 3.25]]),
    "semicolons with names": ("a;b\n1,5;x\n-2,25;y\n", ["a", "b"], [[1.5, "x"], [-2.25, "y"]]),
    "semicolons and points": ("a;b\n1.5;2\n2.5;3\n", ["a", "b"], [[1.5, 2], [2.5, 3]]),
    "semicolons and commas in texts": ("a;b\nSmith, J;5\nDoe, A;6\n", ["a", "b"], [["Smith, J", 5], ["Doe, A", 6]]),
    "tabs": ("a\tb c\n1\tx y\n2\tz w\n", ["a", "b c"], [[1, "x y"], [2, "z w"]]),
    "bars": ("a|b\n1|x\n2|y\n", ["a", "b"], [[1, "x"], [2, "y"]]),
    "bars and commas in numbers": ("a|b\n1,5|2\n2,5|3\n", ["a", "b"], [[1.5, 2], [2.5, 3]]),
    "blanks": ("a b c\n1 2.5 x\n3 4.5 y\n", ["a", "b", "c"], [[1, 2.5, "x"], [3, 4.5, "y"]]),
    "several blanks": ("  a    b\n  1  2.5\n 13  4.5\n", ["a", "b"], [[1, 2.5], [13, 4.5]]),
    "blanks and decimal commas": ("1,5 2,3\n2,5 3,25\n", ["x0", "x1"], [[1.5, 2.3], [2.5, 3.25]]),
    "blanks and quotes": ('m n\n18.0 "ford t"\n15.0 "buick 3"\n', ["m", "n"], [[18, "ford t"], [15, "buick 3"]]),
    "texts with blanks": ("a\nnew york\nold york\n", ["a"], [["new york"], ["old york"]]),
    "one column with missing values": ('a\n""\n4\n""\n5\n', ["a"], [[None], [4], [None], [5]]),
    "one column of texts": ('a\n"x, y"\nx;y\nz|z\nz\n', ["a"], [["x, y"], ["x;y"], ["z|z"], ["z"]]),
    "blank lines with blanks": ("a,b\n1,2\n  \n3,4\n", ["a", "b"], [[1, 2], [3, 4]]),
    "one column of decimals": ("a\n1,5\n2,5\n", ["a"], [[1.5], [2.5]]),
    "quoted decimal commas": ('a,b\n"1,5",x\n"2,25",y\n', ["a", "b"], [[1.5, "x"], [2.25, "y"]]),
    "quoted thousands": ('a,b\n"1,234",x\n"12,345,678",y\n5,x\n', ["a", "b"], [[1234, "x"], [12345678, "y"], [5, "x"]]),
    "thousands and decimals": ("a;b\n1.234,5;x\n7,25;y\n", ["a", "b"], [[1234.5, "x"], [7.25, "y"]]),
    "thousands with points": ("a;b\n1.234.567;1,5\n890;2,5\n", ["a", "b"], [[1234567, 1.5], [890, 2.5]]),
    "thousands with blanks": ("a;b\n12 345,5;x\n7,25;y\n", ["a", "b"], [[12345.5, "x"], [7.25, "y"]]),
    "thousands with no-break blanks": ("a;b\n12\u00a0345;x\n7;y\n", ["a", "b"], [[12345, "x"], [7, "y"]]),
    "thousands with apostrophes": ("a;b\n12'345.5;x\n7.25;y\n", ["a", "b"], [[12345.5, "x"], [7.25, "y"]]),
    "percent": ("a,b\n5%,1\n12.5 %,2\n0,3\n", ["a", "b"], [[5, 1], [12.5, 2], [0, 3]]),
    "dollars": ('a,b\n"$1,200.50",1\n-$3,2\n($4),3\n', ["a", "b"], [[1200.5, 1], [-3, 2], [-4, 3]]),
    "euros": ("a;b\n1.200,50 €;1\n3 €;2\n", ["a", "b"], [[1200.5, 1], [3, 2]]),
    "comments": ("# by hand\n# twice\na,b\n1,2\n# a, b and c\n3,4\n", ["a", "b"], [[1, 2], [3, 4]]),
    "names in a comment": ("# a b\n1.5 2\n2.5 3\n", ["a", "b"], [[1.5, 2], [2.5, 3]]),
    "names behind a hash": ("#a,b\n1.5,2\n2.5,3\n", ["a", "b"], [[1.5, 2], [2.5, 3]]),
    "hashes that are data": ("c,n\n#ff0000,1\n#00ff00,2\n", ["c", "n"], [["#ff0000", 1], ["#00ff00", 2]]),
    "sep": ("sep=;\na;b\n1;2\n3;4\n", ["a", "b"], [[1, 2], [3, 4]]),
    "sep with a rare mark": ("sep=^\na^b\n1^2\n3^4\n", ["a", "b"], [[1, 2], [3, 4]]),
    "a title": ("Sales in 2020\n\na,b,c\n1,2,3\n4,5,6\n", ["a", "b", "c"], [[1, 2, 3], [4, 5, 6]]),
    "titles with commas": ("Sales, all\nby region\na,b,c\n1,2,3\n4,5,6\n", ["a", "b", "c"], [[1, 2, 3], [4, 5, 6]]),
    "a title with empty fields": ("Sales,,\n,,\na,b,c\n1,2,3\n4,5,6\n", ["a", "b", "c"], [[1, 2, 3], [4, 5, 6]]),
    "units": ("mass,size\nkg,m\n1,2\n3,4\n", ["mass", "size"], [[1, 2], [3, 4]]),
    "units in brackets": ("t,v\n[s],[m/s]\n1,2.5\n3,4.5\n", ["t", "v"], [[1, 2.5], [3, 4.5]]),
    "units beside a text": ("city,mass\n,kg\nBonn,2\nUlm,4\n", ["city", "mass"], [["Bonn", 2], ["Ulm", 4]]),
    "a separator behind every row": ("a,b,\n1,2,\n3,4,\n", ["a", "b"], [[1, 2], [3, 4]]),
    "a separator behind rows only": ("a;b\n1;2;\n3;4;\n", ["a", "b"], [[1, 2], [3, 4]]),
    "a separator behind the header only": ("a,b,\n1,2\n3,4\n", ["a", "b"], [[1, 2], [3, 4]]),
    "three separators behind every row": ("a,b,,,\n1,2,,,\n3,4,,,\n", ["a", "b"], [[1, 2], [3, 4]]),
    "a frame of bars": ("| a | b |\n| 1 | 2 |\n| 3 | 4 |\n", ["a", "b"], [[1, 2], [3, 4]]),
    "a column without name or values": ("a,,b\n1,,2\n3,,4\n", ["a", "b"], [[1, 2], [3, 4]]),
    "true minus signs": ("a,b\n−1.5,2\n2.5,3\n", ["a", "b"], [[-1.5, 2], [2.5, 3]]),
    "groups as in India": ('a,b\n"12,34,567",1\n"1,23,456",2\n', ["a", "b"], [[1234567, 1], [123456, 2]]),
    "crowns": ("a;b\n12,50 kr;1\n3 kr;2\n", ["a", "b"], [[12.5, 1], [3, 2]]),
    "a title as wide as the table": ("X\nLat 5, Lon 6\na,b\n1,2\n3,4\n", ["a", "b"], [[1, 2], [3, 4]]),
    "a title wider than the table": ("A, B, C\na,b\n1,2\n3,4\n5,6\n", ["a", "b"], [[1, 2], [3, 4], [5, 6]]),
    "padded texts": ("a, b\n1, x-y\n2, z\n3,z\n", ["a", "b"], [[1, "x-y"], [2, "z"], [3, "z"]]),
    "padded and quoted": ('a, b\n1, "x, y"\n2, "z"\n', ["a", "b"], [[1, "x, y"], [2, "z"]]),
    "padded missing values": ("a,b\n1 , NA\n NA,3\n2, 4\n", ["a", "b"], [[1, None], [None, 3], [2, 4]]),
    "padded truths": ("a,b\n1, true\n2, false\n", ["a", "b"], [[1, "true"], [2, "false"]]),
    "row names of R": ("a b c\nr1 1 2 3\nr2 4 5 6\n", ["x0", "a", "b", "c"], [["r1", 1, 2, 3], ["r2", 4, 5, 6]]),
    "byte order mark": (b"\xef\xbb\xbfa;b\n1,5;2\n2,5;3\n", ["a", "b"], [[1.5, 2], [2.5, 3]]),
    "UTF-16": ("a,é\n1,ü\n2,x\n".encode("utf-16"), ["a", "é"], [[1, "ü"], [2, "x"]]),
    "UTF-16 without a mark": ("a,b\n1,ü\n2,x\n".encode("utf-16-le"), ["a", "b"], [[1, "ü"], [2, "x"]]),
    "Latin-1": ("é,b\n1,ü\n2,x\n".encode("latin-1"), ["é", "b"], [[1, "ü"], [2, "x"]]),
    "Windows-1252": (b"a,b\n1,\x80\n2,x\n", ["a", "b"], [[1, "€"], [2, "x"]]),
    "Windows lines": ("a;b\r\n1;x\r\n2;y\r\n", ["a", "b"], [[1, "x"], [2, "y"]]),
    "old Mac lines": ("a,b\r1,x\r2,y\r", ["a", "b"], [[1, "x"], [2, "y"]]),
    "lines in quotes": ('a,b\n1,"x\n# y"\n2,z\n', ["a", "b"], [[1, "x\n# y"], [2, "z"]]),
    "exponents and signs": ("a,b\n+1.5e+3,1\n-2E-2,2\n", ["a", "b"], [[1500, 1], [-0.02, 2]]),
    "a note below": ('a,b\n1,2\n3,4\n\n"Source: me, 2020"\n(2 rows)\n', ["a", "b"], [[1, 2], [3, 4]]),
    "an end-of-file mark": ("a,b\n1,2\n3,4\n\x1a", ["a", "b"], [[1, 2], [3, 4]]),
    "names that recur": ("a,a,a.1,b\n1,2,3,4\n5,6,7,8\n", ["a", "a.2", "a.1", "b"], [[1, 2, 3, 4], [5, 6, 7, 8]]),
    "single quotes": ("name,a\n'x, y',1\n'z; w','2'\n", ["name", "a"], [["x, y", 1], ["z; w", 2]]),
    "apostrophes": ("name,a\nO'Neil,1\nit's,2\n'n,3\n", ["name", "a"], [["O'Neil", 1], ["it's", 2], ["'n", 3]]),
    "Markdown": ("| a | b |\n|--:|:--|\n| 1 | x |\n| 2 | y |\n", ["a", "b"], [[1, "x"], [2, "y"]]),
    "psql": (" a | b \n---+---\n 1 | x\n 2 | y\n(2 rows)\n", ["a", "b"], [[1, "x"], [2, "y"]]),
    "mysql": ("+---+---+\n| a | b |\n+---+---+\n| 1 | 2 |\n| 3 | 5 |\n+---+---+\n", ["a", "b"], [[1, 2], [3, 5]]),
    "names in two lines": (
        ",2001,,2002,\ncity,m,f,m,f\nBonn,1,2,3,4\nUlm,5,6,7,8\n",
        ["city", "2001 m", "2001 f", "2002 m", "2002 f"],
        [["Bonn", 1, 2, 3, 4], ["Ulm", 5, 6, 7, 8]],
    ),
    "repeated names above others": (
        "a,a,b,b\nx,y,x,y\n1,2,3,4\n5,6,7,8\n",
        ["a x", "a y", "b x", "b y"],
        [[1, 2, 3, 4], [5, 6, 7, 8]],
    ),
    "a unit in every cell": ("a,b\n1,5.5kg\n2,7 kg\n3,\n", ["a", "b"], [[1, 5.5], [2, 7], [3, None]]),
    "a number in the unit": ("a,b\n1,1D2\n2,4D2\n", ["a", "b"], [[1, "1D2"], [2, "4D2"]]),
    "square meters": ("a,b\n1,5 m2\n2,7.5 m2\n", ["a", "b"], [[1, 5], [2, 7.5]]),
    "units that differ": ("a,b\n1,5 kg\n2,7 lb\n", ["a", "b"], [[1, "5 kg"], [2, "7 lb"]]),
    "letters behind numbers": ("a,flat\n1,12A\n2,12B\n", ["a", "flat"], [[1, "12A"], [2, "12B"]]),
    "signs on a comma": ("a;b\n+1,5e+3;1\n-2,5;2\n", ["a", "b"], [[1500, 1], [-2.5, 2]]),
}


@pytest.mark.parametrize("case", FILES)
def test_files_as_people_write_them_are_read_right(table, case):
    text, names, rows = FILES[case]
    assert contents(table(text)) == (names, rows)


LATE = "a,b\n" + "1,x\n" * 30_000


@pytest.mark.parametrize(
    ("end", "settings", "row"),
    [
        (b"# the end, or not\n2,y\n", {}, [2, "y"]),
        (b"2,\xe9\n", {}, [2, "é"]),
        (b"2,\xe9\n", {"kinds": {"b": "categorical"}}, [2, "é"]),
        (b"2,\x81\xe9\n", {}, [2, "\x81é"]),
        (b'"1,234", "y, z"\n', {}, [1234, "y, z"]),
    ],
)
def test_a_file_may_change_its_ways_below_the_lines_examined(table, end, settings, row):
    assert contents(table(LATE.encode() + end, **settings))[1][-1] == row


def test_a_file_that_breaks_off_in_a_row_is_an_error(table):
    with pytest.raises(DataError, match="line 4 has 1 field"):
        table("name,b\nxx,2\nyy,3\nyz")
    with pytest.raises(DataError, match="line 3 has 1 field"):
        table("name,b\nxx,2\nnote\nyy,3\n")
    assert table("name,b\nxx,2\nyy,3\nnote\n").facts["lines below the table"] == "note"


@pytest.mark.parametrize("name", ["a.data", "a.dat", "a.tab"])
def test_other_endings_of_text_files_are_read(table, name):
    assert contents(table("39, State-gov\n50, Private\n", name))[1] == [[39, "State-gov"], [50, "Private"]]


def test_a_field_may_be_long(table):
    assert contents(table("a,b\n" + "x" * 200_000 + ",1\ny,2\n"))[1][1] == ["y", 2]


def test_a_fault_below_the_lines_examined_is_named(table):
    with pytest.raises(DataError, match="line 30002 has 3 fields"):
        table(LATE + "2,y,z\n")
    with pytest.raises(DataError, match="without a name that is empty above"):
        table("a,b,\n" + "1,x,\n" * 300 + "1,2,3\n")


def test_what_is_declared_wins(table):
    assert contents(table("a;b\n1;2\n", separator=","))[0] == ["a;b"]
    assert contents(table("1,234;5\n2,345;6\n"))[1] == [[1.234, 5], [2.345, 6]]
    assert contents(table("1,234;5\n2,345;6\n", decimal="."))[1] == [[1234, 5], [2345, 6]]
    assert contents(table("1,234;5\n2,345;6\n", thousands=","))[1] == [[1234, 5], [2345, 6]]
    assert contents(table("a\n1.234\n2.345\n", decimal=","))[1] == [[1234], [2345]]
    assert contents(table("a~b\n1~2\n3~4\n", separator="~"))[1] == [[1, 2], [3, 4]]
    assert contents(table("a\tb\n1\t2\n", separator="tab"))[1] == [[1, 2]]
    assert contents(table("a b\n1  2\n", separator="space"))[1] == [[1, 2]]
    for settings in ({"separator": "ab"}, {"decimal": ",", "thousands": ","}):
        with pytest.raises(ConfigError):
            table("a,b\n1,2\n", **settings)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n3,?\n5,6\n", r"holds '\?' in line 3\. Say --missing '\?' if it means a missing value"),
        ("a,b\n1,2\n3,unknown\n5,6\n", r"Say --missing unknown if"),
        ("a,b\n1,2\n3,-\n5,6\n", r"Say --missing=- if"),
        ("a,b\n1,5%\n3,7%\n5,6\n", r"holds '5%' in line 2"),
        ("a,b\n1,$5\n3,$7\n5,€6\n", r"holds '€6' in line 4"),
    ],
)
def test_text_among_numbers_is_an_error_with_the_option_that_fits(table, text, words):
    with pytest.raises(DataError, match=words) as raised:
        table(text)
    assert "--drop" not in str(raised.value)


def test_numbers_written_in_another_way_name_the_option(table):
    with pytest.raises(DataError, match=r"Say --decimal , if"):
        table("a;b\n1.5;2\n2.5;3\n3,5;4\n", decimal=".")


def test_marks_of_missing_values_are_read_as_such(table):
    assert contents(table("a,b\n1,x\n?,?\n3,y\n", missing=("?",)))[1] == [[1, "x"], [None, None], [3, "y"]]
    assert contents(table("a,b\n1,-999\n-999.0,2\n3,5\n", missing=(-999,)))[1] == [[1, None], [None, 2], [3, 5]]
    found = table("age,b\n-1,-1\n2,2\n3,5\n", missing=("age=-1",))
    assert contents(found)[1] == [[None, -1], [2, 2], [3, 5]]
    assert [f.type for f in found.spec.features] == ["int64", "int64"]
    assert contents(table("a;b\n1,5;x\n?;y\n", missing="?"))[1] == [[1.5, "x"], [None, "y"]]
    with pytest.raises(ConfigError, match=r"column 'ag'.*Did you mean 'age'"):
        table("age,b\n-1,-1\n2,2\n", missing=("ag=-1",))


def test_marks_suit_every_kind_of_table(tmp_path):
    parquet.write_table(pa.table({"a": [1.5, -999.0], "b": ["?", "x"]}), tmp_path / "a.parquet")
    assert contents(read(tmp_path / "a.parquet", missing=("-999", "?")))[1] == [[1.5, None], [None, "x"]]
    np.save(tmp_path / "a.npy", np.array([[1.0, 2], [3, -1]]))
    assert contents(read(tmp_path / "a.npy", missing=("x1=-1",)))[1] == [[1, 2], [3, None]]
    matched = open_matching(settings_of(tmp_path / "a.npy", missing="3"), read(tmp_path / "a.npy").spec, get_registry())
    assert contents(matched)[1] == [[1, 2], [None, -1]]


def remarks(data):
    return " / ".join(inspect(data).remarks)


@pytest.mark.parametrize(
    ("mark", "count", "option"),
    [
        (-999, 20, "--missing a=-999"),
        (-999, 1, "--missing a=-999"),
        (-1, 20, "--missing a=-1"),
        (9999, 20, "--missing a=9999"),
        ("-9999.0", 20, "--missing a=-9999"),
        (-200, 20, "--missing a=-200"),
        (40, 20, None),
        (0, 20, None),
        (200, 1, None),
    ],
)
def test_spikes_at_impossible_values_are_remarked(table, mark, count, option):
    values = np.random.default_rng(0).gamma(9, 5, 400).round(2)
    rows = [str(mark)] * count + [f"{value}" for value in values]
    found = remarks(table("a,b\n" + "".join(f"{row},{i % 7}.5\n" for i, row in enumerate(rows))))
    assert (option in found) if option else ("--missing" not in found)


def test_names_of_training_are_a_header_of_new_data(table, tmp_path):
    spec = table("0,1\n1,0\n0,0\n1,1\n", header=True).spec
    (tmp_path / "b.csv").write_text("0,1\n1,0\n0,1\n")
    assert len(read(tmp_path / "b.csv")) == 3
    assert open_matching(settings_of(tmp_path / "b.csv"), spec, get_registry()).events.tolist() == [[1, 0], [0, 1]]


def test_classes_below_zero_are_no_spike(table):
    assert "--missing" not in remarks(table("a,b\n" + "".join(f"{i % 2 * 2 - 1},{i}.5\n" for i in range(50))))
    assert "--missing" not in remarks(table("a,b\n" + "".join(f"{i % 9 - 1},{i}.5\n" for i in range(90))))


def test_marks_in_texts_are_remarked(table):
    rows = "".join(f"{i}.5,{'?' if i % 9 == 0 else 'xyz'[i % 3]}\n" for i in range(100))
    words = "column 'b' holds '?' in 12 of the first 100 rows; if it means a missing value, --missing '?'"
    data = table("a,b\n" + rows)
    assert words in remarks(data)
    said = "column 'b' has '?' as a category; if it means a missing value, --missing '?'"
    assert mark_remarks(data) == [said]
    assert mark_remarks(table("a,b\n" + rows.replace("?", "x"))) == []


def test_measurements_that_are_texts_are_not_advised_to_be_dropped(table):
    rows = "".join(f"{i}.5,{i} kg of {i}\n" for i in range(100))
    assert "--drop b" not in remarks(table("a,b\n" + rows))
    mostly = "".join(f"{i}.5,{'-' if i % 3 else i}\n" for i in range(100))
    assert "--missing=-" in remarks(table("a,b\n" + mostly))


@pytest.mark.parametrize("text", ["<{}", "{}-", "1D{}", "1_{:03d}", "~{}.5"])
def test_measurements_in_any_form_are_no_ids(table, text):
    data = table("a,b\n" + "".join(f"{i % 7}.5,{text.format(i)}\n" for i in range(1, 40)))
    assert "--drop b" not in remarks(data)
    assert "column 'b' holds measurements that were read as text" in remarks(data)


@pytest.mark.parametrize("text", ["0{:02d}", "192.168.{}.1", "{}-17", "{:032x}"])
def test_codes_are_ids_and_no_measurements(table, text):
    data = table("a,b\n" + "".join(f"{i % 7}.5,{text.format(i)}\n" for i in range(1, 40)))
    assert "column 'b' looks like an id" in remarks(data)
    assert "measurements" not in remarks(data)


@pytest.mark.parametrize(
    "texts",
    [
        [f"{i:02d}/01/2020" if i % 2 else f"2020-01-{i:02d}" for i in range(1, 29)],
        [f"2020-W{i:02d}" for i in range(1, 29)],
        [f"PT{i}H5M" for i in range(28)],
        [f"{i}. März 2020" for i in range(1, 29)],
        [f"Mon Jan {i} 10:00:00 2020" for i in range(1, 29)],
        [f"2020-03-29 02:{i:02d}:00 CET" for i in range(28)],
        [f"Jan-{i}" for i in range(10, 38)],
    ],
    ids=lambda texts: texts[1].replace(" ", "_"),
)
def test_dates_that_are_texts_are_not_advised_to_be_dropped(table, texts):
    data = table("when,b\n" + "".join(f"{text},{i % 7}.5\n" for i, text in enumerate(texts)))
    assert "--date-format when=FORMAT" in remarks(data)
    assert "--drop when" not in remarks(data)


def test_compressed_files_and_records_are_read(tmp_path):
    rows = [{"a": 1, "b": "x", "c": True}, {"a": 2.5, "b": None, "c": False}, {"a": 3, "c": True}]
    want = (["a", "b", "c"], [[1, "x", "true"], [2.5, None, "false"], [3, None, "true"]])
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b,c\n1,x,true\n2.5,,false\n3,,true\n"))
    (tmp_path / "a.json").write_text(json.dumps(rows, indent=1))
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("a.csv.gz", "a.json", "a.jsonl"):
        found = read(tmp_path / name)
        assert contents(found) == want
        assert found.name == "a"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2]", "record 1 is of type int"),
        ("[", "not valid JSON"),
        ("[]", "no rows"),
        ('[{"a": [1]}]', "column 'a' holds a list or an object in record 1"),
        ('[{"a": 1}, {"a": 2}, {"a": "?"}, {"a": 3}]', r"'\?' in record 3"),
    ],
)
def test_json_that_is_no_table_is_refused(tmp_path, text, words):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match=words):
        read(tmp_path / "a.json")


@pytest.mark.parametrize("orient", ["records", "columns", "index", "split", "list"])
def test_json_of_pandas_is_a_table(tmp_path, orient):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2, 4], "b": ["x", None, "y"]}, index=[0, 3, 11])
    text = json.dumps(frame.replace({None: "?"}).to_dict("list")) if orient == "list" else frame.to_json(orient=orient)
    (tmp_path / "a.json").write_text(text)
    assert contents(read(tmp_path / "a.json", missing="?")) == (["a", "b"], [[1, "x"], [2, None], [4, "y"]])


def test_objects_that_may_be_rows_or_columns_are_refused(tmp_path):
    (tmp_path / "a.json").write_text('{"p": {"q": 1, "r": 2}, "s": {"q": 3, "r": 4}}')
    with pytest.raises(DataError, match="holds a list or an object"):
        read(tmp_path / "a.json")


def test_compressed_files_need_no_ending(tmp_path):
    (tmp_path / "a.csv").write_bytes(gzip.compress(b"a,b\n1,2.5\n3,4.5\n"))
    assert contents(read(tmp_path / "a.csv")) == (["a", "b"], [[1, 2.5], [3, 4.5]])


def test_faults_of_spreadsheets_and_joined_files_are_explained(table):
    rows = "1,2\n3,4\n5,6\n"
    with pytest.raises(DataError, match="Say --missing '#DIV/0!' if it means a missing value"):
        table(f"a,b\n{rows}7,#DIV/0!\n")
    with pytest.raises(DataError, match=r"line 5 repeats its name.*Delete such lines"):
        table(f"a,b\n{rows}a,b\n{rows}")


def test_a_spreadsheet_is_read_like_a_text(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["Sales"], [], ["a", "b", "c"], [1, "x", 0.5], [2, None, "?"], [3, "y", 1.5]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    assert contents(read(tmp_path / "a.xlsx", missing="?"))[1] == [[1, "x", 0.5], [2, None, None], [3, "y", 1.5]]
    with pytest.raises(DataError, match=r"'\?' in row 5"):
        read(tmp_path / "a.xlsx")


def test_a_spreadsheet_names_the_extra_that_reads_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"pip install 'genzoo\[excel\]'"):
        read(tmp_path / "a.xlsx")
    (tmp_path / "a.csv").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"name it \.xlsx"):
        read(tmp_path / "a.csv")


def test_standard_input_is_a_table(monkeypatch):
    monkeypatch.setattr(piped, "standard_input", lambda: b"a;b\n1,5;x\n2,5;y\n")
    assert contents(read("-")) == (["a", "b"], [[1.5, "x"], [2.5, "y"]])
    monkeypatch.setattr(piped, "standard_input", lambda: b'{"a": 1}\n{"a": 2}\n')
    assert contents(read("-")) == (["a"], [[1], [2]])


def test_width_costs_in_proportion(table):
    def seconds(width):
        text = ",".join(f"c{i}" for i in range(width)) + 2 * ("\n" + ",".join(str(i % 7) for i in range(width)))
        begun = time.process_time()
        assert table(text).spec.event_shape == (width,)
        return time.process_time() - begun

    seconds(100)
    assert seconds(20_000) < 20 * seconds(2_000) + 1


def test_too_many_columns_are_refused_before_they_are_read(tmp_path):
    (tmp_path / "a.csv").write_text(",".join(f"c{i}" for i in range(100_001)) + "\n" + "1," * 100_000 + "1\n")
    with pytest.raises(DataError, match=r"100001 columns.*at most 100000"):
        read(tmp_path / "a.csv")
    assert contents(read(tmp_path / "a.csv", columns="c7,c3"))[1] == [[1, 1]]


@needs_shared
@pytest.mark.parametrize("name", ["winequality-red.csv", "winequality-white.csv"])
def test_the_wines_are_read_as_the_csv_module_reads_them(name):
    with (SHARED / name).open(newline="") as file:
        rows = list(csv.reader(file))
    assert read(SHARED / name).events.tolist() == [list(map(float, row)) for row in rows]


@needs_shared
@pytest.mark.parametrize("name", ["adult-train.csv", "adult-test.csv"])
def test_adult_is_read_as_the_csv_module_reads_it(name):
    with (SHARED / name).open(newline="") as file:
        lines = [row for row in csv.reader(file, skipinitialspace=True) if len(row) > 1]
    found = read(SHARED / name, missing="?")
    _, rows = contents(found)
    assert len(rows) == len(lines)
    for row, line in zip(rows, lines, strict=True):
        assert row == [None if text == "?" else float(text) if text.isdecimal() else text for text in line]


def test_a_row_of_totals_is_remarked(table):
    text = "region,a,b\nn,1,2.25\ns,3,-4.5\ne,5,6\nall,9,3.75\n"
    assert any("last row holds the sum" in remark for remark in inspect(table(text)).remarks)
    for other in (text.replace("9,3.75", "9,3.5"), text.replace("9,3.75", "8,3.75"), "a\n1\n2\n3\n7\n"):
        assert not any("last row" in remark for remark in inspect(table(other)).remarks)


def test_a_letter_among_letters_is_no_mark(table):
    assert not any("--missing" in remark for remark in inspect(table("a,b\n1,x\n2,y\n3,z\n")).remarks)
    assert any("--missing x" in remark for remark in inspect(table("a,b\n1,x\n2,yes\n3,no\n")).remarks)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("weight\n5 kg\n7.5 kg\n6 kg\n", [5.0, 7.5, 6.0]),
        ("sum\n$ 5.5\n$ 7\n$ 6\n", [5.5, 7.0, 6.0]),
        ("people\n1 234\n345\n12 345\n7 891\n", [1234.0, 345.0, 12345.0, 7891.0]),
        ("when\n2020-01-02 10:00\n2020-01-03 11:00\n", [1577959200.0, 1578049200.0]),
    ],
)
def test_one_name_above_blanks_names_one_column(table, text, values):
    data = table(text)
    assert [feature.name for feature in data.spec.features] == [text.split("\n", 1)[0]]
    assert data.events[:, 0].tolist() == values


@pytest.mark.parametrize(("mark", "end"), [(".", "\n"), (",", "\n"), (".", ";x\n")])
def test_three_digits_behind_a_mark_are_remarked(table, mark, end):
    texts = ["345", "1.234", "12.345", "17", "7.891"]
    text = f"people{end}" + "".join(text.replace(".", mark) + end for text in texts)
    data = table(text)
    assert data.events[1, 0] == 1.234
    assert [f"Use --thousands {mark} if it is 1234" in note for note in data.notes] == [True]
    assert table(text, thousands=mark).events[:, 0].tolist() == [345, 1234, 12345, 17, 7891]
    assert table(text, decimal=mark).notes == ()


def test_measurements_with_three_decimals_are_not_remarked(table):
    assert table("a;b\n1.234;0.5\n12.345;1\n7.891;2\n").notes == ()
    assert table("a;b\n1.234;0\n12.345;1\n17;2\n0.345;2\n5;1\n").notes == ()


@pytest.mark.parametrize(
    ("above", "name"),
    [
        ("city,2019,2019,2020,2020\n,m,f,m,f\n", "city"),
        (",2019,2019,2020,2020\nsex,m,f,m,f\ncity,,,,\n", "city"),
        (",2019,2019,2020,2020\n,m,f,m,f\n", "x0"),
    ],
    ids=["first line", "index of pandas", "no name"],
)
def test_names_in_two_lines_may_leave_the_first_column_out(table, above, name):
    names, rows = contents(table(above + "Bonn,1,2,3,4\nUlm,5,6,7,8\nJena,9,8,7,5\n"))
    assert names == [name, "2019 m", "2019 f", "2020 m", "2020 f"]
    assert rows[0][1:] == [1, 2, 3, 4]
    assert len(rows) == 3


@pytest.mark.parametrize("title", ["Sales,\n", "Sales,\n,\n", "Sales,\n\n"])
def test_a_title_as_wide_as_two_columns_is_no_row(table, title):
    assert contents(table(title + "a,b\n1,2.5\n3,4.5\n")) == (["a", "b"], [[1, 2.5], [3, 4.5]])
    assert contents(table("a,\n1,2.5\n3,4.5\n"))[1] == [[1, 2.5], [3, 4.5]]


def test_days_that_are_written_as_digits_are_remarked(table):
    days = np.arange("2020-01-20", "2020-03-20", dtype="datetime64[D]").astype(str)
    text = "day,b\n" + "".join(f"{day.replace('-', '')},{i % 7}.5\n" for i, day in enumerate(days))
    assert "--date-format day=%Y%m%d" in remarks(table(text))
    assert "dates" not in remarks(table("a,b\n" + "".join(f"{20200131 + 7 * i},{i % 7}.5\n" for i in range(60))))
    dates = table(text, date_formats={"day": "%Y%m%d"}).events[:, 0]
    assert dates.tolist() == days.astype("datetime64[D]").astype(int).tolist()
