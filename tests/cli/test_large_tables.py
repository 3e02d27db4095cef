"""Tables that are read and written in blocks hold what they would hold if they were read whole."""

import json
import time

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

import genzoo
from genzoo.data.streams import rows as blocks_of_rows
from genzoo.verbs import blockwise, on_cluster, streaming

ROWS = 10_000


def mixed(count, *, seed=0, shades=("red", "green", "blue")):
    """Return a table of numbers, counts, categories and times, some missing, with a column that no model reads."""
    rng = np.random.default_rng(seed)
    size = rng.normal(50.0, 9.0, count)
    return pa.table(
        {
            "note": pa.array([f'"{row}", said' if row % 500 == 7 else f"n{row}" for row in range(count)]),
            "size": pa.array(size, mask=rng.random(count) < 0.05),
            "visits": pa.array(rng.poisson(3 + (size > 50)), pa.int16(), mask=rng.random(count) < 0.1),
            "shade": pa.array(rng.choice(shades, count), mask=rng.random(count) < 0.02),
            "seen": pa.array(rng.integers(10**9, 10**9 + 10**6, count) * 1000, pa.timestamp("ms")),
            "tags": pa.array([[row % 3] * (row % 2) for row in range(count)], pa.list_(pa.int64())),
        }
    )


@pytest.fixture
def small_blocks(monkeypatch):
    """Read blocks of 4,096 rows, and count how often tables are written in blocks."""
    monkeypatch.setattr(blocks_of_rows, "MOST_ROWS", 4096)
    monkeypatch.setattr("genzoo.data.dataset._CHUNK", 1)
    written = []
    plain = streaming.write_blocks
    monkeypatch.setattr(
        streaming, "write_blocks", lambda *args, **more: written.append(args[0]) or plain(*args, **more)
    )
    return written


@pytest.fixture(scope="module")
def bayes(tmp_path_factory):
    """Train naive Bayes on a small table of mixed columns."""
    folder = tmp_path_factory.mktemp("bayes")
    parquet.write_table(mixed(600), folder / "few.parquet")
    data = {"source": str(folder / "few.parquet"), "kinds": {"visits": "count"}, "drop": ["note", "tags"]}
    genzoo.train("naive-bayes", data=data, out=folder / "run")
    return folder / "run"


@pytest.fixture
def trained(cli, bayes, small_blocks, tmp_path):
    """Write a table whose row groups are no whole blocks, for the model in `run`."""
    (tmp_path / "run").symlink_to(bayes)
    many = mixed(ROWS, seed=1, shades=("red", "green", "blue", "mauve"))
    parquet.write_table(many, tmp_path / "many.parquet", row_group_size=3001)
    return small_blocks


def same_tables(one, other):
    assert one.schema.equals(other.schema), (one.schema, other.schema)
    assert one.combine_chunks().equals(other.combine_chunks())


def test_scores_in_blocks_are_the_scores_of_the_whole_table(cli, trained):
    asked = ["score", "run", "--data", "many.parquet", "--threshold", "0.05", "--keep", "note,seen,tags", "--json"]
    code, in_blocks, err = cli(*asked, "--out", "blocks.parquet")
    assert code == 0, err
    assert len(trained) == 1
    code, whole, _ = cli(*asked, "--out", "whole.arrow")  # which is written whole
    assert code == 0
    assert len(trained) == 1
    same_tables(parquet.read_table("blocks.parquet"), feather.read_table("whole.arrow"))
    found, wanted = json.loads(in_blocks), json.loads(whole)
    assert found.pop("out") != wanted.pop("out")
    assert found.pop("mean") == wanted.pop("mean") is None
    assert found == wanted
    assert wanted["count_unseen"] > 1000
    assert wanted["count_flagged"] > 2000


@pytest.fixture
def partitions(trained, tmp_path):
    """Write a table as files in Hive partitions, which differ in their types and in the order of their columns."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "_SUCCESS").touch()
    for number, rows in enumerate((2500, 1, 5000, 0, 1300)):
        folder = tmp_path / "set" / f"year={2020 + number}" / f"kind={'a%2Fb' if number % 2 else 'c'}"
        folder.mkdir(parents=True)
        part = mixed(rows, seed=number, shades=("red", "green", "blue", "mauve"))
        if number == 2:
            part = part.set_column(2, "visits", part.column("visits").cast(pa.float64()))
        parquet.write_table(part.select(part.column_names[:: -1 if number % 2 else 1]), folder / "part.parquet")
    return trained


@pytest.mark.parametrize("source", ["set", "set/*/*/*.parquet"], ids=["folder", "pattern"])
def test_files_in_blocks_are_one_table(cli, partitions, source):
    asked = ["score", "run", "--data", source, "--threshold", "0.05", "--keep", "note,tags,visits,kind,year", "--json"]
    found, wanted = (json.loads(cli(*asked, "--out", name)[1]) for name in ("blocks.parquet", "whole.arrow"))
    assert len(partitions) == 1
    same_tables(parquet.read_table("blocks.parquet"), feather.read_table("whole.arrow"))
    assert found.pop("out") != wanted.pop("out")
    assert found == wanted
    assert parquet.read_table("blocks.parquet").column("kind").unique().to_pylist() == ["c", "a/b"]


def test_the_mean_of_scores_in_blocks_differs_by_rounding_only(cli, trained, tmp_path):
    parquet.write_table(mixed(ROWS, seed=2), tmp_path / "known.parquet")
    asked = ["score", "run", "--data", "known.parquet", "--json", "--out"]
    found, wanted = (json.loads(cli(*asked, name)[1]) for name in ("blocks.parquet", "whole.arrow"))
    assert found["mean"] == pytest.approx(wanted["mean"], rel=1e-14)


def test_text_written_in_blocks_is_the_same_to_the_byte(cli, trained, tmp_path, monkeypatch):
    asked = ["score", "run", "--data", "many.parquet", "--keep", "note,seen", "--escape-formulas", "--out"]
    assert cli(*asked, "blocks.csv")[0] == 0
    parquet.write_table(mixed(ROWS, seed=2), tmp_path / "known.parquet")
    fill = ["impute", "run", "--data", "known.parquet", "--drop", "tags", "--out"]
    assert cli(*fill, "filled.tsv")[0] == 0
    assert len(trained) == 2
    monkeypatch.setattr(blocks_of_rows, "MOST_ROWS", 2**16)
    assert cli(*asked, "whole.csv")[0] == 0
    assert cli(*fill, "whole.tsv")[0] == 0
    assert len(trained) == 2
    assert (tmp_path / "blocks.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert (tmp_path / "filled.tsv").read_bytes() == (tmp_path / "whole.tsv").read_bytes()


@pytest.mark.parametrize("how", [[], ["--draws", "--seed", "3"]], ids=["means", "draws"])
def test_values_filled_in_blocks_are_those_of_the_whole_table(cli, trained, how):
    asked = ["impute", "run", "--data", "many.parquet", *how, "--json", "--out"]
    many = mixed(ROWS, seed=1)  # a shade that the model does not know has no place in a filled table
    parquet.write_table(many, "many.parquet", row_group_size=3001)
    found, wanted = (json.loads(cli(*asked, name)[1]) for name in ("blocks.parquet", "whole.arrow"))
    assert len(trained) == 1
    blocks = parquet.read_table("blocks.parquet")
    same_tables(blocks, feather.read_table("whole.arrow"))
    assert all(blocks.column(name).null_count == 0 for name in ("size", "visits", "shade"))
    for name in ("rows", "filled"):
        assert found[name] == wanted[name]


def test_samples_in_blocks_are_those_drawn_at_once(cli, trained):
    for name in ("blocks.parquet", "whole.arrow"):
        assert cli("sample", "run", "-n", ROWS, "--seed", 5, "--out", name)[0] == 0
    same_tables(parquet.read_table("blocks.parquet"), feather.read_table("whole.arrow"))
    for name in ("some.parquet", "some.arrow"):
        assert cli("sample", "run", "-n", ROWS, "--given", "shade=red", "--out", name)[0] == 0
    same_tables(parquet.read_table("some.parquet"), feather.read_table("some.arrow"))
    assert len(trained) == 2


def test_latent_vectors_and_anomaly_scores_come_in_blocks(cli, small_blocks, tmp_path):
    rng = np.random.default_rng(0)
    for name, count in (("few", 300), ("many", ROWS)):
        table = pa.table({key: rng.standard_normal(count) for key in "abc"})
        parquet.write_table(table, tmp_path / f"{name}.parquet")
    training = ["--steps", "5", "--precision", "fp32", "-o", "latent=2", "--out", "codes"]
    assert cli("train", "autoencoder", "--data", "few.parquet", *training)[0] == 0
    for verb in ("embed", "score"):
        for name in ("blocks.parquet", "whole.arrow"):
            assert cli(verb, "codes", "--data", "many.parquet", "--out", name)[0] == 0
        same_tables(parquet.read_table("blocks.parquet"), feather.read_table("whole.arrow"))
    assert len(small_blocks) == 2


def test_bounds_of_blocks_have_the_draws_of_the_whole_table(cli, small_blocks, tmp_path):
    rng = np.random.default_rng(0)
    for name, count in (("few", 300), ("many", 2 * 4096 + 5)):
        parquet.write_table(pa.table({key: rng.standard_normal(count) for key in "ab"}), tmp_path / f"{name}.parquet")
    small = ["--steps", "3", "--precision", "fp32", "-o", "latent=1", "-o", "training.bound_draws=2", "--out", "run"]
    code, _, err = cli("train", "vae", "--data", "few.parquet", *small)
    assert code == 0, err
    for name in ("blocks.parquet", "whole.arrow"):
        assert cli("score", "run", "--data", "many.parquet", "--out", name)[0] == 0
    same_tables(parquet.read_table("blocks.parquet"), feather.read_table("whole.arrow"))
    assert len(small_blocks) == 1


def test_a_column_that_a_file_cannot_hold_is_an_error(cli, trained, tmp_path):
    parquet.write_table(mixed(ROWS, seed=2), "many.parquet")
    code, _, err = cli("impute", "run", "--data", "many.parquet", "--out", "filled.csv")
    assert code == 2
    assert "The table cannot be written as 'filled.csv'" in " ".join(err.split())
    assert not (tmp_path / "filled.csv").exists()


def test_a_row_of_a_later_block_is_named_by_its_number(cli, trained, tmp_path):
    table = mixed(ROWS, seed=2)
    sizes = table.column("size").to_numpy(zero_copy_only=False).copy()
    sizes[9000] = np.inf
    parquet.write_table(table.set_column(1, "size", pa.array(sizes)), tmp_path / "many.parquet")
    code, _, err = cli("score", "run", "--data", "many.parquet", "--out", "scores.parquet")
    assert code != 0
    assert "column 'size' holds inf in row 9000" in " ".join(err.split())
    assert not (tmp_path / "scores.parquet").exists()
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".genzoo")]


def test_a_small_file_of_long_texts_is_not_unpacked(cli, trained, tmp_path):
    longest = pa.DictionaryArray.from_arrays(pa.array(np.zeros(ROWS, np.int32)), ["a" * 1_000_000])
    table = mixed(ROWS, seed=2).set_column(0, "note", longest)
    parquet.write_table(table, "many.parquet", compression="zstd", store_schema=False, write_statistics=False)
    code, _, err = cli("score", "run", "--data", "many.parquet", "--keep", "note", "--out", "scores.parquet")
    assert code == 4
    assert "many.parquet would unpack from" in " ".join(err.split())


def test_a_table_without_rows_is_an_error(cli, trained, client, tmp_path):
    parquet.write_table(mixed(0).drop_columns("tags"), tmp_path / "none.parquet")
    for verb in ("score", "impute"):
        for on in (None, client):
            with pytest.raises(genzoo.DataError, match="holds no rows"):
                getattr(genzoo, verb)(tmp_path / "run", "none.parquet", out=tmp_path / "found.parquet", on=on)
    assert cli("score", "run", "--data", "none.parquet", "--on", client.scheduler.address, "--out", "a.csv")[0] == 4


def test_a_model_that_was_replaced_is_loaded_again(trained, client, tmp_path):
    data = tmp_path / "few.parquet"
    parquet.write_table(mixed(300, seed=3), data)
    run = tmp_path / "run"
    genzoo.score(run, data, out=tmp_path / "one.parquet", on=client)
    run.unlink()
    genzoo.train("naive-bayes", data={"source": data, "columns": ["size", "visits"]}, out=run)
    for name, on in (("here", None), ("there", client)):
        genzoo.score(run, data, out=tmp_path / f"{name}.parquet", on=on)
    same_tables(*(parquet.read_table(tmp_path / f"{name}.parquet") for name in ("here", "there")))


def test_a_damaged_row_group_leaves_the_earlier_result(cli, trained, tmp_path):
    whole = (tmp_path / "many.parquet").read_bytes()
    assert cli("score", "run", "--data", "many.parquet", "--out", "scores.csv")[0] == 0
    earlier = (tmp_path / "scores.csv").read_bytes()
    middle = len(whole) // 2
    (tmp_path / "many.parquet").write_bytes(whole[:middle] + bytes(20_000) + whole[middle + 20_000 :])
    code, _, err = cli("score", "run", "--data", "many.parquet", "--out", "scores.csv")
    assert code != 0
    assert "many.parquet" in err
    assert "Traceback" not in err
    assert (tmp_path / "scores.csv").read_bytes() == earlier


@pytest.fixture(scope="module")
def client():
    """Start a cluster of two workers in this process."""
    distributed = pytest.importorskip("distributed")
    quiet = {"dashboard_address": "127.0.0.1:0", "processes": False, "threads_per_worker": 2}
    with distributed.LocalCluster(n_workers=2, **quiet) as cluster, distributed.Client(cluster) as client:
        yield client


def test_workers_of_a_cluster_find_the_same_answers(trained, client, monkeypatch, tmp_path):
    monkeypatch.setattr(blockwise, "_BLOCKS", 1)
    data, run = tmp_path / "many.parquet", tmp_path / "run"
    parquet.write_table(mixed(ROWS, seed=2), data, row_group_size=3001)
    for name, on in (("here", None), ("there", client)):
        summary = genzoo.score(run, data, threshold=0.05, keep=["note"], out=tmp_path / f"{name}.parquet", on=on)
        assert summary.rows == ROWS
        plain = {"source": data, "drop": ["tags"]}
        genzoo.impute(run, plain, draw=True, out=tmp_path / f"{name}.csv", on=on)
    same_tables(*(parquet.read_table(tmp_path / f"{name}.parquet") for name in ("here", "there")))
    assert (tmp_path / "here.csv").read_bytes() == (tmp_path / "there.csv").read_bytes()


@pytest.mark.parametrize("lost", [pytest.param("the scheduler", marks=pytest.mark.full), "all workers"])
def test_a_cluster_that_is_lost_is_named_and_earlier_output_stays(cli, trained, monkeypatch, lost, tmp_path):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(blockwise, "_BLOCKS", 1)
    monkeypatch.setattr(on_cluster, "_ALONE", 0.5)
    monkeypatch.setattr(on_cluster, "_GLANCE", 0.1)
    quiet = {"dashboard_address": "127.0.0.1:0", "processes": False, "threads_per_worker": 1}
    (tmp_path / "scores.csv").write_text("earlier\n")
    with distributed.LocalCluster(n_workers=1, **quiet) as cluster:
        wait = on_cluster._await

        def losing(client, future, phase):
            monkeypatch.setattr(on_cluster, "_await", wait)
            if lost == "all workers":
                cluster.scale(0)
                while client.nthreads():
                    time.sleep(0.01)
            else:
                client._timeout = 0.1  # seconds in which it looks for another scheduler
                cluster.sync(cluster.scheduler.close)
            wait(client, future, phase)

        monkeypatch.setattr(on_cluster, "_await", losing)
        words = ["--data", "many.parquet", "--out", "scores.csv", "--on", cluster.scheduler_address]
        code, out, err = cli("score", "run", *words)
    said = " ".join(err.split())
    assert code == 1, out
    assert "Traceback" not in err
    assert f"{lost[:1].upper()}{lost[1:]} " in said
    assert "othing was written" in said
    assert (tmp_path / "scores.csv").read_text() == "earlier\n"


def test_samples_of_a_cluster_are_those_drawn_here(cli, trained, client, tmp_path):
    for name, on in (("here", []), ("there", ["--on", client.scheduler.address])):
        for suffix in (".parquet", ".csv"):
            words = ["--seed", 5, "--given", "shade=red", "--out", name + suffix, *on]
            code, _, err = cli("sample", "run", "-n", ROWS, *words)
            assert code == 0, err
    same_tables(*(parquet.read_table(tmp_path / f"{name}.parquet") for name in ("here", "there")))
    assert (tmp_path / "here.csv").read_bytes() == (tmp_path / "there.csv").read_bytes()
    assert cli("sample", "run", "-n", 3, "--seed", 5, "--out", "few.csv", "--on", client.scheduler.address)[0] == 0
    assert len((tmp_path / "few.csv").read_text().splitlines()) == 4
    code, _, err = cli("sample", "run", "-n", 3, "--out", "few.npy", "--on", client.scheduler.address)
    assert code == 2
    assert "--on dask draws parts of a table for --out FILE" in " ".join(err.split())


@pytest.mark.parametrize("statistics", [True, False])
def test_other_rows_in_equal_number_are_noticed(trained, client, monkeypatch, statistics, tmp_path):
    data, real = tmp_path / "many.parquet", blockwise.RowBlocks.fingerprint
    table = mixed(ROWS, seed=2)
    place = 6000 if statistics else ROWS - 1  # the last row is looked at
    sizes = table.column("size").to_numpy(zero_copy_only=False).copy()
    sizes[place] = 77.0
    other = table.set_column(table.column_names.index("size"), "size", pa.array(sizes))
    how = {"write_statistics": statistics, "compression": "none", "use_dictionary": False, "row_group_size": 3001}
    parquet.write_table(table, data, **how)

    def replaced(blocks):  # after this process has opened the table
        found = real(blocks)
        parquet.write_table(other, data, **how)
        return found

    monkeypatch.setattr(blockwise.RowBlocks, "fingerprint", replaced)
    with pytest.raises(genzoo.DataError, match=f"has {ROWS} rows on a worker, too, but they are other rows"):
        genzoo.score(tmp_path / "run", data, out=tmp_path / "scores.parquet", on=client)
    assert not (tmp_path / "scores.parquet").exists()


def test_an_error_of_a_worker_is_the_error_of_the_table(trained, client, tmp_path, capsys):
    table = mixed(ROWS, seed=2)
    sizes = table.column("size").to_numpy(zero_copy_only=False).copy()
    sizes[9000] = np.inf
    data = tmp_path / "many.parquet"
    parquet.write_table(table.set_column(1, "size", pa.array(sizes)), data)
    with pytest.raises(genzoo.DataError, match="column 'size' holds inf in row 9000"):
        genzoo.score(tmp_path / "run", data, out=tmp_path / "scores.parquet", on=client)
    assert "Compute Failed" not in capsys.readouterr().err
    assert not (tmp_path / "scores.parquet").exists()


def test_only_parts_of_a_file_go_to_a_cluster(cli, trained, client, in_a_shell, tmp_path):
    ask = ["score", "run", "--data", "many.parquet", "--on", client.scheduler.address]
    for words in (["--out", "scores.arrow"], [], ["--sort", "score", "--out", "scores.parquet"]):
        code, _, err = cli(*ask, *words)
        assert code == 2
        assert "--on dask computes parts of Parquet files" in " ".join(err.split())
    with pytest.raises(genzoo.ConfigError, match="this model is in memory"):
        genzoo.score(genzoo.load(tmp_path / "run"), "many.parquet", out="scores.parquet", on=client)


def test_python_writes_what_it_would_return(trained, tmp_path):
    data = tmp_path / "few.parquet"
    few = mixed(300, seed=3)
    parquet.write_table(few, data)
    genzoo.score(tmp_path / "run", data, out=tmp_path / "scores.parquet", keep=["note"])
    wanted = genzoo.score(tmp_path / "run", few, keep=["note"])
    found = parquet.read_table(tmp_path / "scores.parquet")
    assert found.column_names == ["row", *wanted.column_names]
    assert found.column("log_likelihood").to_pylist() == wanted.column("log_likelihood").to_pylist()
    assert found.column("because").to_pylist() == wanted.column("because").to_pylist()
    for out, words in (
        ("scores.npy", "needs a file with the suffix"),
        (data, "is the file that the data are read from"),
    ):
        with pytest.raises(genzoo.ConfigError, match=words):
            genzoo.score(tmp_path / "run", data, out=out)
    with pytest.raises(genzoo.ConfigError, match="these are in memory"):
        genzoo.score(tmp_path / "run", few, out=tmp_path / "scores.parquet")
