"""Tables of pieces beside loops over symbols."""

import pytest
import torch

from genzoo.engine.muon import hidden_matrices
from genzoo_text.gpt_pieces import PieceTables

END = 5


def built(symbols=6, **settings):
    torch.manual_seed(0)
    pieces = PieceTables(symbols, 4, **{"longest": 3, "rows": 10_000, **settings}).double()
    for parameter in pieces.parameters():
        torch.nn.init.normal_(parameter)
    return pieces.requires_grad_(False)


def start(pieces, n):
    return torch.full((n, pieces.reach), END)


def test_what_is_added_is_the_sum_of_looked_up_rows():
    pieces, codes = built(), torch.randint(5, (3, 7))
    found = pieces(codes, start(pieces, 3))
    for text in range(3):
        symbols = [END, END, *codes[text].tolist()]
        for place in range(7):
            third, second, first = symbols[place : place + 3]
            rows = [6 * first + second, 36 * first + 6 * second + third]
            looked = torch.cat([table[row] for table, row in zip(pieces.tables, rows, strict=True)])
            assert torch.allclose(found[text, place], pieces.join(looked), atol=1e-12)


def test_the_past_continues_a_text_without_a_seam():
    pieces, codes = built(longest=4, rows=50), torch.randint(5, (2, 9))
    whole = pieces(codes, start(pieces, 2))
    assert pieces.reach == 3
    assert torch.allclose(pieces(codes[:, 4:], codes[:, 1:4]), whole[:, 4:], atol=1e-12)


def test_different_pieces_have_different_rows_if_there_are_enough():
    pieces = built()
    codes = torch.cartesian_prod(*[torch.arange(6)] * 3)
    rows = pieces._rows(codes[:, 2:], codes[:, :2])
    assert [len(row.unique()) for row in rows] == [36, 216]


def test_pieces_share_the_rows_of_a_small_table_evenly():
    pieces = built(symbols=40, rows=1000)
    codes = torch.cartesian_prod(*[torch.arange(40)] * 3)
    counts = torch.bincount(pieces._rows(codes[:, 2:], codes[:, :2])[1].flatten(), minlength=1000)
    assert len(counts) == 1000
    assert 48 <= counts.min() <= counts.max() <= 80  # 64 pieces a row; a random assignment has 40 to 90


@pytest.mark.parametrize("symbols", [2, 65_537])
def test_rows_of_the_longest_pieces_stay_inside_their_tables(symbols):
    pieces = PieceTables(symbols, 2, longest=16, rows=97)
    codes = torch.full((1, 4), symbols - 1)
    rows = pieces._rows(codes, torch.full((1, 15), symbols - 1))
    assert all(row.min() >= 0 and row.max() < len(table) for row, table in zip(rows, pieces.tables, strict=True))


def test_tables_are_matrices_to_the_optimizer():
    pieces = built()
    assert hidden_matrices(pieces) == set(pieces.parameters())


def test_no_tables_add_nothing():
    pieces = PieceTables(6, 4, longest=1, rows=1)
    assert pieces.reach == 0
    assert pieces(torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 0, dtype=torch.int64)) is None


def test_tables_add_nothing_at_first():
    pieces = PieceTables(6, 4, longest=3, rows=10)
    assert not pieces(torch.randint(6, (2, 3)), start(pieces, 2)).any()
