"""A file of a different kind is named with what reads it, in the section where that belongs."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from support.events import HEADER, events_catalog

from streamflow.files.file_signs import describe_signs


@pytest.mark.parametrize(
    ("table", "content", "advice"),
    [
        ("users", gzip.compress(b"user_id,fee\n", mtime=0), "users.csv.gz"),
        ("payments", gzip.compress(HEADER.encode(), mtime=0), "payments.csv.gz"),
        ("payments", b"PAR1....", "payments.parquet"),
    ],
    ids=["users-gzip", "payments-gzip", "payments-parquet"],  # gzip's bytes hold the time
)
def test_the_name_of_a_file_belongs_into_the_section_of_its_table(
    tmp_path: Path, table: str, content: bytes, advice: str
) -> None:
    path = tmp_path / f"{table}.csv"
    path.write_bytes(content)
    section = "events.payments" if table == "payments" else "tables.users"
    signs = describe_signs(path, table, events_catalog())
    assert f'declare file = "{advice}" in [{section}]' in signs


def test_the_encoding_of_a_file_of_events_belongs_into_its_format(tmp_path: Path) -> None:
    path = tmp_path / "payments.csv"
    path.write_bytes(HEADER.encode("utf-16-le"))
    signs = describe_signs(path, "payments", events_catalog())
    assert 'declare encoding = "utf-16-le" in [files.payments]' in signs
