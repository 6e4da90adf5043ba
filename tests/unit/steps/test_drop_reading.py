"""A drop is read without a database: what is wrong in its files is named by table, row and cell."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamflow.catalog import Column, parse_catalog
from streamflow.core.data.cell_contract import read_cells
from streamflow.core.data.contract import MAX_SHOWN_CHARACTERS
from streamflow.core.data.rejects import list_rejects
from streamflow.steps.data.drop_reading import CheckedDrop, inspect_files, read_drop
from streamflow.steps.data.rejected_rows import describe_rejects, find_rejects
from streamflow.steps.data.violations import describe_violations, make_violation_error

if TYPE_CHECKING:
    from streamflow.platform import Platform

CATALOG = parse_catalog(
    """
model = "small"
ttl_days = 62

[entity]
name = "user"
key = "user_id"
type = "string"
max_length = 64
table = "users"

[label]
table = "labels"
column = "churned"

[views.fees]
table = "users"

[tables.users.columns]
fee = { type = "float", min = 0, view = "fees" }
since = { type = "timestamp", nullable = true }

[tables.labels.columns]
churned = { type = "bool" }
""",
    origin="catalog.toml",
)
HEADER = "user_id,fee,since\n"


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], tuple[CheckedDrop, list[str]]]:
    """Read a drop whose users file has this text; return it with its violations in words."""

    def read_users(text: str) -> tuple[CheckedDrop, list[str]]:
        folder = tmp_path / "month"
        folder.mkdir()
        (folder / "users.csv").write_bytes(text.encode())
        facts = inspect_files(folder, CATALOG, ("users",))
        with ExitStack() as closing:
            drop = read_drop(
                folder,
                CATALOG,
                facts,
                {},
                as_of=datetime(2024, 1, 31, tzinfo=UTC),
                space=tmp_path,
                closing=closing,
                notify=lambda _: None,
            )
            return drop, describe_violations(folder, CATALOG, drop.violations)

    return read_users


def rows(count: int) -> str:
    return "".join(f"u{number},1.5,\n" for number in range(count))


@pytest.mark.parametrize("after", [3, 30_000])
def test_a_stray_quote_is_named_by_its_line(
    read: Callable[[str], tuple[CheckedDrop, list[str]]], after: int
) -> None:
    """Whether the rest of the file is longer than a cell may be or not, no key of it is shown."""
    drop, violations = read(f'{HEADER}{rows(2)}x,"1.5,\n{rows(after)}')
    assert len(violations) == 1
    assert violations[0].startswith("month/users.csv:4: expected records of CSV, got a cell ")
    assert "quote" in violations[0]
    assert "u1" not in violations[0]
    assert all(violation.fatal for violation in drop.violations)


def test_a_cell_of_many_lines_is_shown_in_part(
    read: Callable[[str], tuple[CheckedDrop, list[str]]],
) -> None:
    """Two stray quotes: a cell with the keys of the rows between them."""
    _, violations = read(f'{HEADER}{rows(2)}x,"1.5,\n{rows(100)}y",\n')
    assert violations[0].startswith(
        r"month/users.csv:4 column 'fee': expected a finite number, got '1.5,\nu0"
    )
    assert violations[0].endswith("characters)")
    assert len(violations[0]) < 2 * MAX_SHOWN_CHARACTERS + 100


@pytest.mark.parametrize(("row", "count"), [("u{},1.5,,\n", 4), ("u{},1.5\n", 2)])
def test_rows_that_all_have_the_wrong_number_of_cells_are_named(
    read: Callable[[str], tuple[CheckedDrop, list[str]]], row: str, count: int
) -> None:
    drop, violations = read(HEADER + "".join(row.format(number) for number in range(3)))
    assert violations == [
        f"month/users.csv:{line}: expected 3 cells, got {count}" for line in (2, 3, 4)
    ]
    # No row can be kept, so that --reject-rows does not apply.
    assert all(violation.fatal for violation in drop.violations)


def test_one_good_row_makes_the_ragged_ones_rejectable(
    read: Callable[[str], tuple[CheckedDrop, list[str]]],
) -> None:
    drop, violations = read(f"{HEADER}u0,1\n{rows(1)}")
    assert violations == ["month/users.csv:2: expected 3 cells, got 2"]
    assert not drop.violations[0].fatal


def test_a_ragged_row_takes_the_other_rows_of_its_key_along(
    read: Callable[[str], tuple[CheckedDrop, list[str]]],
) -> None:
    drop, _ = read(f"{HEADER}u1,1\n{rows(3)}u0,1,,\n,2\n")
    assert [violation.key for violation in drop.violations] == ["u1", "u0", None]
    rejects = list_rejects(drop.violations, drop.keys, key="user_id")
    assert [(reject.row, reject.key) for reject in rejects] == [
        (0, "u1"),
        (1, "u0"),
        (2, "u1"),
        (4, "u0"),
        (5, None),
    ]


ONE_FILE = parse_catalog(
    """
model = "small"
ttl_days = 62

[entity]
name = "user"
key = "user_id"
type = "int"
table = "users"

[label]
table = "labels"
column = "churned"

[views.fees]
table = "users"

[tables.users.columns]
fee = { type = "float", min = 0, view = "fees" }

[tables.labels]
file = "users.csv"

[tables.labels.columns]
churned = { type = "bool" }

[files.users]
trim = true

[files.labels]
trim = true
""",
    origin="catalog.toml",
)


@pytest.mark.parametrize(
    ("row", "key", "violation"),
    [
        (" 099 ,1.5\n", "99", "month/users.csv:2: expected 3 cells, got 2"),
        (
            ",1.5,True\n",
            None,
            "month/users.csv:2 column 'user_id': expected integer, got an empty cell",
        ),
    ],
)
def test_a_row_of_a_file_that_two_tables_read_counts_once(
    tmp_path: Path, row: str, key: str | None, violation: str
) -> None:
    folder = tmp_path / "month"
    folder.mkdir()
    good = "".join(f"{number},1.5,True\n" for number in range(99))
    (folder / "users.csv").write_text(f"user_id,fee,churned\n{row}{good}")
    facts = inspect_files(folder, ONE_FILE, ("users", "labels"))
    with ExitStack() as closing:
        drop = read_drop(
            folder,
            ONE_FILE,
            facts,
            {},
            as_of=datetime(2024, 1, 31, tzinfo=UTC),
            space=tmp_path,
            closing=closing,
            notify=lambda _: None,
        )
        error = make_violation_error(folder, ONE_FILE, drop.violations)
        settings = SimpleNamespace(max_reject_share=0.015)
        platform = cast("Platform", SimpleNamespace(catalog=ONE_FILE, settings=settings))
        rejects = find_rejects(platform, folder, drop)
    assert error.message == f"{violation}\n(1 violation)"
    assert error.facts["violations"] == [violation]
    rejected = describe_rejects(folder, ONE_FILE, rejects)
    assert [(reject.table_name, reject.line, reject.key) for reject in rejected] == [
        ("labels", 2, key),
        ("users", 2, key),
    ]


@pytest.mark.parametrize("text", [HEADER, HEADER.strip(), HEADER + "\n\r\n"])
def test_a_header_without_rows_is_named(
    read: Callable[[str], tuple[CheckedDrop, list[str]]], text: str
) -> None:
    _, violations = read(text)
    assert violations == ["month/users.csv:1: expected rows after the header, got none"]


@pytest.mark.parametrize(
    ("text", "last_lines"),
    [
        (
            "user_id,fee,region,churned\n1,2,x,True\n",
            [
                f"(users.csv: to read it, try in [files.{table}] of the catalog: "
                'ignore = ["region"])'
                for table in ("users", "labels")
            ],
        ),
        (
            "user_id;fee;churned;\n1;2;True;\n",
            [
                "month/users.csv:1: expected the columns of the catalog, got a file in a different "
                f'format (declare separator = ";", ignore = [""] in [files.{table}])'
                for table in ("users", "labels")
            ],
        ),
    ],
)
def test_the_columns_of_a_neighbour_need_no_ignore(
    tmp_path: Path, text: str, last_lines: list[str]
) -> None:
    folder = tmp_path / "month"
    folder.mkdir()
    (folder / "users.csv").write_text(text)
    facts = inspect_files(folder, ONE_FILE, ("users", "labels"))
    with ExitStack() as closing:
        drop = read_drop(
            folder,
            ONE_FILE,
            facts,
            {},
            as_of=datetime(2024, 1, 31, tzinfo=UTC),
            space=tmp_path,
            closing=closing,
            notify=lambda _: None,
        )
    lines = make_violation_error(folder, ONE_FILE, drop.violations).message.splitlines()
    assert [line for line in lines if "[files." in line] == last_lines


INSTANTS = {
    "2024-01-31 10:00:00": "2024-01-31T10:00:00+00:00",
    "2024-01-31T10:00:00Z": "2024-01-31T10:00:00+00:00",
    "2024-01-31 10:00:00.5": "2024-01-31T10:00:00.500000+00:00",
    "2024-01-31 10:00:00.123456+05:30": "2024-01-31T04:30:00.123456+00:00",
    "2024-01-31 10:00:00-0800": "2024-01-31T18:00:00+00:00",
    "9999-12-31T23:59:59.999999Z": "9999-12-31T23:59:59.999999+00:00",
    "0001-01-01T00:00:00": "0001-01-01T00:00:00+00:00",
}


@given(st.permutations(list(INSTANTS)))
def test_an_instant_is_read_alike_whatever_stands_before_it(cells: list[str]) -> None:
    columns = {"user_id": Column(type="string"), "since": Column(type="timestamp")}
    text = pl.DataFrame({"user_id": cells, "since": cells})
    typed, violations = read_cells(
        text, np.arange(len(cells)), columns, key="user_id", table="users"
    )
    assert violations == []
    assert [value.isoformat() for value in typed["since"]] == [INSTANTS[cell] for cell in cells]


@pytest.mark.parametrize(
    "cell",
    [
        "2024-13-01 00:00:00",
        "2024-01-31 24:00:00",
        "2024-01-31 10:00:00+99:00",
        "2024-01-31",
        "x",
        # The year 10000, and the year 0, of UTC.
        "9999-12-31T23:59:59-05:00",
        "0001-01-01T00:00:00+01:00",
        "0000-01-01 00:00:00",
    ],
)
def test_what_is_no_instant_is_refused(cell: str) -> None:
    columns = {"user_id": Column(type="string"), "since": Column(type="timestamp")}
    text = pl.DataFrame({"user_id": ["a", "b"], "since": ["2024-01-31 10:00:00", cell]})
    _, violations = read_cells(text, np.arange(2), columns, key="user_id", table="users")
    assert [(violation.row, violation.column) for violation in violations] == [(1, "since")]
