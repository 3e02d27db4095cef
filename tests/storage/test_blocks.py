"""Tables that are written in blocks of rows."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from genzoo.storage.blocks import write_blocks


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_columns_whose_values_hardly_repeat_have_no_dictionary(tmp_path, suffix):
    rng = np.random.default_rng(0)
    blocks = [
        pa.table({"row": np.arange(n), "score": rng.normal(size=n), "town": ["Ulm", "Rom"] * (n // 2)})
        for n in (500, 20)
    ]
    path = tmp_path / f"scores.{suffix}"
    assert write_blocks(path, blocks, distinct=("row", "score")) == 520
    if suffix == "csv":
        assert path.read_text().splitlines()[-1] == f"19,{blocks[1]['score'][19].as_py()!r},Rom"
        return
    assert parquet.read_table(path).equals(pa.concat_tables(blocks))
    groups = parquet.ParquetFile(path).metadata
    for group in range(2):
        columns = [groups.row_group(group).column(place) for place in range(3)]
        assert [column.has_dictionary_page for column in columns] == [False, False, True]


@pytest.mark.parametrize("distinct", [(), ("row",)])
def test_values_inside_lists_and_structs_keep_their_dictionaries(tmp_path, distinct):
    table = pa.table({"row": np.arange(6), "tags": [[1, 2]] * 6, "place": [{"town": "Ulm"}] * 6})
    write_blocks(tmp_path / "rows.parquet", [table], distinct=distinct)
    group = parquet.ParquetFile(tmp_path / "rows.parquet").metadata.row_group(0)
    assert [group.column(place).has_dictionary_page for place in range(3)] == [not distinct, True, True]
    assert parquet.read_table(tmp_path / "rows.parquet").equals(table)
