"""The cells of a file: the same as those of Python's csv module, wherever a block ends."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamflow.files.csv_batches import BLOCK, read_batches
from streamflow.files.csv_files import (
    MAX_CELL_CHARACTERS,
    MAX_RECORD_CHARACTERS,
    find_unreadable_record,
    inspect_bytes,
)

cells = st.text(alphabet='a,"\r\né\ufeff ', max_size=4)
line_ends = st.sampled_from(["\n", "\r\n", "\r"])
on_one_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path: Path, rows: Iterable[Sequence[str]], line_end: str = "\r\n") -> Path:
    """Write rows as Python's csv module does."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=line_end).writerows(rows)
    path.write_bytes(text.getvalue().encode())
    return path


def by_python(path: Path) -> list[list[str]]:
    """The records of a file by Python's csv module, without the header."""
    with path.open(encoding="utf-8", newline="") as stream:
        return [cells for cells in csv.reader(stream) if cells][1:]


def by_batches(path: Path, block: int) -> tuple[dict[int, list[str]], dict[int, int]]:
    """The rows by their number, and the numbers of cells of the ragged rows."""
    rows: dict[int, list[str]] = {}
    ragged: dict[int, int] = {}
    for numbers, frame in read_batches(path, ragged, block_size=block):
        for number, values in zip(numbers.tolist(), frame.fill_null("").iter_rows(), strict=True):
            rows[number] = list(values)
    return rows, ragged


def agree(path: Path, block: int) -> None:
    """Compare every row and every number of cells."""
    expected = by_python(path)
    columns = 3
    rows, ragged = by_batches(path, block)
    assert rows == {number: row for number, row in enumerate(expected) if len(row) == columns}
    assert ragged == {
        number: len(row) for number, row in enumerate(expected) if len(row) != columns
    }


@on_one_file
@given(
    rows=st.lists(st.lists(cells, min_size=3, max_size=3), max_size=30),
    line_end=line_ends,
    block=st.integers(1, 40),
)
def test_cells_do_not_depend_on_where_a_block_ends(
    rows: list[list[str]], line_end: str, block: int, tmp_path: Path
) -> None:
    path = write(tmp_path / "t.csv", [["x", "y", "z"], *rows], line_end)
    agree(path, block)


@on_one_file
@given(
    rows=st.lists(st.lists(cells, min_size=1, max_size=5), max_size=20),
    line_end=line_ends,
    block=st.integers(1, 40),
)
def test_ragged_rows_are_counted_wherever_a_block_ends(
    rows: list[list[str]], line_end: str, block: int, tmp_path: Path
) -> None:
    path = write(tmp_path / "t.csv", [["x", "y", "z"], *rows], line_end)
    agree(path, block)


@on_one_file
@given(
    rows=st.lists(st.lists(st.sampled_from(["", "a"]), min_size=1, max_size=5), max_size=8),
    line_end=st.sampled_from(["\n", "\r\n"]),
    last_end=st.booleans(),
    block=st.sampled_from([20, 1000]),
)
def test_rows_without_quotes_are_counted_with_and_without_a_last_line_end(
    rows: list[list[str]], line_end: str, block: int, tmp_path: Path, *, last_end: bool
) -> None:
    lines = ["x,y,z", *map(",".join, rows)]
    text = line_end.join(lines) + (line_end if last_end else "")
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    agree(path, block)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_long_last_row_does_not_hide_a_short_one(line_end: str, tmp_path: Path) -> None:
    """The empty cell after the last separator ends with the file, not with a line end."""
    path = tmp_path / "t.csv"
    path.write_bytes(
        "user_id,age,fee\nU1,44,2.5\nU2,33\nU3,21,1.5,".replace("\n", line_end).encode()
    )
    rows, ragged = by_batches(path, BLOCK)
    assert rows == {0: ["U1", "44", "2.5"]}
    assert ragged == {1: 2, 2: 4}


@on_one_file
@given(
    text=st.text(alphabet='a,"\r\n', max_size=40),
    line_end=line_ends,
    block=st.integers(1, 20),
)
def test_any_text_that_can_be_read_is_read_as_python_does(
    text: str, line_end: str, block: int, tmp_path: Path
) -> None:
    """Stray quotes, empty lines and mixed line ends."""
    path = tmp_path / "t.csv"
    path.write_bytes(f"x,y,z{line_end}{text}".encode())
    if not find_unreadable_record(path):
        agree(path, block)


@pytest.mark.parametrize("shift", range(-2, 3))
def test_a_quoted_line_end_at_the_end_of_a_block_is_whole(shift: int, tmp_path: Path) -> None:
    """With the block of the product: its bytes end within, before or after the line end."""
    path = tmp_path / "t.csv"
    head = b"x,y,z\r\n"
    row = b"a," + b"b" * 100_000 + b",c\r\n"
    filler = row * ((BLOCK - len(head)) // len(row))
    quoted = b'a,"'
    rest = BLOCK + shift - len(head) - len(filler) - len(quoted)
    path.write_bytes(head + filler + quoted + b"q" * rest + b'\r\nend",c\r\nlast,b,c\r\n')
    rows, ragged = by_batches(path, BLOCK)
    assert ragged == {}
    assert rows[max(rows) - 1] == ["a", "q" * rest + "\r\nend", "c"]
    assert rows[max(rows)] == ["last", "b", "c"]


def test_what_the_bytes_tell_of_long_cells(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    generator = random.Random(1)
    lengths = [generator.randrange(3_000_000) for _ in range(4)]
    path.write_bytes(b"\n".join(b"x" * length for length in lengths))
    facts = inspect_bytes(path)
    assert (facts.longest_line, facts.lines, facts.has_quotes) == (max(lengths), 3, False)
    assert facts.may_have_long_cells
    path.write_bytes(b"x,y\n1,2\n")
    assert not inspect_bytes(path).may_have_long_cells
    path.write_bytes(b'x,y\n1,"2"\n')
    assert inspect_bytes(path).may_have_long_cells


HEADER = "x,y,z\n"
GOOD = "1,2,3\n" * 20


@pytest.mark.parametrize(
    ("text", "row", "line"),
    [
        (f'{HEADER}{GOOD}1,"2,3\n{GOOD}', 20, 22),
        (f'{HEADER}{GOOD}1,2,"3', 20, 22),
        (f'{HEADER}{GOOD}1,"2,3\n{GOOD * 2000}', 20, 22),
        (f'{HEADER}{GOOD}1,"a\nb",3\n1,"2,3\n{GOOD * 2000}', 21, 24),
        (f'x,"y,z\n{GOOD}', -1, 1),
        (f'x,"y,z\n{GOOD * 2000}', -1, 1),
        (HEADER + "1," + "2" * (MAX_CELL_CHARACTERS + 1) + ",3\n", 0, 2),
        (HEADER + "1," + "2," * (MAX_RECORD_CHARACTERS // 2) + ",3\n", 0, 2),
    ],
    ids=["open", "open at the end", "huge", "two", "header", "huge header", "cell", "record"],
)
def test_the_record_that_makes_a_file_unreadable_has_a_line(
    text: str, row: int, line: int, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    assert inspect_bytes(path).may_have_long_cells
    unreadable = find_unreadable_record(path)
    assert unreadable is not None
    assert (unreadable[0], unreadable[1].line) == (row, line)


@pytest.mark.parametrize(
    "text",
    [
        HEADER + GOOD,
        HEADER + '1,"2\n""2""",3',
        HEADER + '1,a"b,3\n' + GOOD,
        HEADER + '1,2,"3"',
        HEADER + '1,2,""',
        HEADER + "1," + "2" * MAX_CELL_CHARACTERS + ",3\n",
        '"x","y","z"',
    ],
)
def test_a_file_that_can_be_read_has_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    assert find_unreadable_record(path) is None
    rows, ragged = by_batches(path, BLOCK)
    assert ragged == {}
    assert list(rows.values()) == by_python(path)
