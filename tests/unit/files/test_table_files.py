"""Text files in any encoding: the cells of Python's csv module, wherever a block ends."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamflow.catalog import FileFormat
from streamflow.catalog.file_format import Encoding, Separator
from streamflow.files.csv_batches import read_batches
from streamflow.files.csv_files import inspect_bytes, read_header, read_records

cells = st.text(alphabet='a,;\t|"\r\nб', max_size=4)
encodings = st.sampled_from(["utf-8-sig", "utf-16", "utf-16-le", "windows-1251", "gb18030"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    rows=st.lists(st.lists(cells, min_size=3, max_size=3), max_size=20),
    encoding=encodings,
    separator=st.sampled_from(get_args(Separator)),
    title_lines=st.integers(0, 2),
    is_packed=st.booleans(),
    block=st.integers(1, 40),
)
def test_cells_do_not_depend_on_how_they_are_packed(
    rows: list[list[str]],
    encoding: Encoding,
    separator: Separator,
    title_lines: int,
    is_packed: bool,
    block: int,
    tmp_path: Path,
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator)
    writer.writerows([["x", "y", "z"], *rows])
    content = ("Report\r\n" * title_lines + text.getvalue()).encode(encoding)
    path = tmp_path / ("t.csv.gz" if is_packed else "t.csv")
    path.write_bytes(gzip.compress(content) if is_packed else content)
    file_format = FileFormat(encoding=encoding, separator=separator, skip_lines=title_lines)

    read = []
    for numbers, frame in read_batches(path, {}, file_format, block_size=block):
        assert numbers.tolist() == list(range(len(read), len(read) + len(frame)))
        read += [list(row) for row in frame.fill_null("").iter_rows()]
    assert read == rows
    assert read_header(path, file_format) == ["x", "y", "z"]
    records = read_records(path, range(len(rows)), file_format)
    assert [record.cells for record in records.values()] == rows
    facts = inspect_bytes(path, file_format)
    assert facts.is_text
    assert facts.size == path.stat().st_size


@pytest.mark.parametrize("encoding", get_args(Encoding))
def test_every_encoding_is_known_and_its_damage_is_seen(encoding: Encoding, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    file_format = FileFormat(encoding=encoding)
    path.write_bytes("x,y\nabc,d\n".encode(encoding))
    assert inspect_bytes(path, file_format).is_text
    assert read_header(path, file_format) == ["x", "y"]
    path.write_bytes("x,y\nab".encode(encoding) + b"\0")  # of UTF-16: half a character
    assert not inspect_bytes(path, file_format).is_text


def test_the_line_of_a_record_counts_the_lines_before_the_header(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b'sep=;\r\n\r\nx;y\r\n"a\r\nb";c\r\nd;e\r\n')
    records = read_records(path, {0, 1}, FileFormat(separator=";", skip_lines=2))
    assert {row: record.line for row, record in records.items()} == {0: 4, 1: 6}
