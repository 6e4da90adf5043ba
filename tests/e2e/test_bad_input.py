"""Bad input through the command line.

The message says where, what, what was left behind and what to do next; nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import psycopg
import pytest
from conftest import Cluster
from support.chain import JANUARY, database_digest, run
from support.command import Said, called

from streamflow.catalog import DEFAULT_PATH
from streamflow.platform import open_platform

FEBRUARY = ("--as-of", "2024-02-29")
NOTHING_WRITTEN = "Nothing was written; correct the file and run 'streamflow ingest' again."


class Installation(NamedTuple):
    """An installation that holds January, and the variables that name it."""

    connection: psycopg.Connection
    variables: dict[str, str]


@pytest.fixture(scope="module")
def loaded(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    name, home = f"sf_bad_{uuid4().hex[:12]}", tmp_path_factory.mktemp("bad") / "home"
    cluster.clone(name)
    with open_platform(cluster.settings(name, home)) as platform:
        run(platform, simulated_drops / "month_000", JANUARY)
        conninfo = platform.login.conninfo()
    with closing(psycopg.connect(conninfo, autocommit=True)) as connection:
        yield Installation(connection, cluster.variables(name, home))
    cluster.drop(name)


@pytest.fixture
def call(loaded: Installation, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """`streamflow ARGUMENTS` on it, in this process."""
    for name, value in loaded.variables.items():
        monkeypatch.setenv(name, value)
    return partial(called, Path(loaded.variables["STREAMFLOW_HOME"]), "--quiet")


@pytest.fixture
def drop(simulated_drops: Path, tmp_path: Path) -> Path:
    """A copy of February, to be spoiled."""
    folder = tmp_path / "month_001"
    folder.mkdir()
    for path in (simulated_drops / "month_001").glob("*.csv"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def edit(name: str, old: bytes, new: bytes, *, line: int | None = None) -> Callable[[Path], object]:
    """Replace the first `old` of a file, or of one of its lines (from 1)."""

    def spoil(folder: Path) -> None:
        lines = (folder / name).read_bytes().splitlines(keepends=True)
        number = next(
            i
            for i, text in enumerate(lines, 1)
            if (line is None or i == line) and re.search(old, text)
        )
        lines[number - 1] = re.sub(old, lambda _: new, lines[number - 1], count=1)
        (folder / name).write_bytes(b"".join(lines))

    return spoil


def write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def append(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes() + content)


def cell(name: str, position: int, text: bytes, *, line: int = 3) -> Callable[[Path], object]:
    """Put `text` into one cell."""

    def spoil(folder: Path) -> None:
        lines = (folder / name).read_bytes().split(b"\n")
        cells = lines[line - 1].split(b",")
        cells[position] = text
        lines[line - 1] = b",".join(cells)
        (folder / name).write_bytes(b"\n".join(lines))

    return spoil


def as_folder(name: str) -> Callable[[Path], object]:
    def spoil(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return spoil


def as_dangling_link(name: str) -> Callable[[Path], object]:
    def spoil(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to("elsewhere.csv")

    return spoil


def twice(name: str, *, changed: bool) -> Callable[[Path], object]:
    def spoil(folder: Path) -> None:
        lines = (folder / name).read_bytes().splitlines(keepends=True)
        again = lines[1].replace(b"2", b"3") if changed else lines[1]
        (folder / name).write_bytes(b"".join([*lines, again]))

    return spoil


SUBS, USERS, USAGE = "subscriptions.csv", "users.csv", "usage_agg_30d.csv"
FEE = 6  # the cell of monthly_fee in subscriptions.csv

CASES = {
    "empty file": (
        write(SUBS, b""),
        r"month_001/subscriptions.csv: expected a header and rows, got an empty file",
    ),
    "header only": (
        write("payments_agg_90d.csv", b"user_id,failed_payments_90d\n"),
        r"month_001/payments_agg_90d.csv:1: expected rows after the header, got none",
    ),
    "missing column": (
        edit(USAGE, rb",skips_7d", b""),
        r"month_001/usage_agg_30d.csv:1 column 'skips_7d':"
        r" expected this column in the header, got none",
    ),
    "extra column": (
        edit(USAGE, rb",skips_7d", b",skips_7d,more"),
        r"month_001/usage_agg_30d.csv:1 column 'more':"
        r" expected only columns that the catalog declares, got 'more'",
    ),
    "repeated column": (
        edit(USAGE, rb",skips_7d", b",skips_7d,skips_7d"),
        r"month_001/usage_agg_30d.csv:1 column 'skips_7d': expected this column once, got 2 times",
    ),
    "repeated key, same values": (
        twice(SUBS, changed=False),
        r"month_001/subscriptions.csv:2 column 'user_id':"
        r" expected a key that occurs once in subscriptions, got '7590-VHVEG'",
    ),
    "repeated key, other values": (
        twice(SUBS, changed=True),
        r"month_001/subscriptions.csv:2 column 'user_id':"
        r" expected a key that occurs once in subscriptions, got '7590-VHVEG'",
    ),
    "key not in users": (
        append("payments_agg_90d.csv", b"9999-NOONE,0\n"),
        r"month_001/payments_agg_90d.csv:\d+ column 'user_id':"
        r" expected a key that users.csv holds, got '9999-NOONE'",
    ),
    "byte order mark": (
        edit(USERS, rb"^user_id", b"\xef\xbb\xbfuser_id"),
        r"month_001/users.csv:1: expected plain UTF-8, got a byte order mark",
    ),
    "Latin-1": (
        cell(USERS, 2, b"M\xe4nnlich"),
        r"month_001/users.csv:3 column 'user_gender':"
        r" expected text in UTF-8, got bytes that are not UTF-8",
    ),
    "NUL byte": (
        cell(USERS, 2, b"Ma\0le"),
        r"month_001/users.csv:3 column 'user_gender': expected text in UTF-8, got a NUL byte",
    ),
    "NaN": (
        cell(SUBS, FEE, b"NaN"),
        r"month_001/subscriptions.csv:3 column 'monthly_fee': expected a finite number, got 'NaN'",
    ),
    "infinity": (
        cell(SUBS, FEE, b"inf"),
        r"subscriptions.csv:3 column 'monthly_fee': expected a finite number, got 'inf'",
    ),
    "1e309": (
        cell(SUBS, FEE, b"1e309"),
        r"subscriptions.csv:3 column 'monthly_fee': expected a finite number, got '1e309'",
    ),
    "2^63": (
        cell(SUBS, 1, b"9223372036854775808"),
        r"subscriptions.csv:3 column 'months_active':"
        r" expected a whole number of 64 bits, got '9223372036854775808'",
    ),
    "negative fee": (
        cell(SUBS, FEE, b"-3"),
        r"month_001/subscriptions.csv:3 column 'monthly_fee':"
        r" expected number >= 0 and <= 10000, got '-3'",
    ),
    "yes": (
        cell(USERS, 3, b"yes"),
        r"users.csv:3 column 'user_is_senior': expected True or False, got 'yes'",
    ),
    "1": (
        cell(USERS, 3, b"1"),
        r"users.csv:3 column 'user_is_senior': expected True or False, got '1'",
    ),
    "TRUE": (
        cell(USERS, 3, b"TRUE"),
        r"users.csv:3 column 'user_is_senior': expected True or False, got 'TRUE'",
    ),
    "day and month swapped": (
        cell(USERS, 1, b"2024-31-01"),
        r"users.csv:3 column 'signup_date': expected a date YYYY-MM-DD, got '2024-31-01'",
    ),
    "id too long": (
        cell(USERS, 0, b"x" * 65),
        r"users.csv:3 column 'user_id': expected text of at most 64 characters, got 'x{65}'",
    ),
    "too few cells": (
        edit(USAGE, rb",[^,]*$", b"\n", line=4),
        r"month_001/usage_agg_30d.csv:4: expected 6 cells, got 5",
    ),
    "a value after a quoted line break": (
        lambda folder: (
            cell(USERS, 2, b'"Ma\nle"')(folder),
            cell(USERS, 3, b"yes", line=5)(folder),
        ),
        r"users.csv:5 column 'user_is_senior': expected True or False, got 'yes'",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_broken_file_is_named_and_nothing_is_written(
    call: Callable[..., Said], loaded: Installation, drop: Path, case: str
) -> None:
    spoil, where_and_what = CASES[case]
    spoil(drop)
    before = database_digest(loaded.connection)
    said = call("ingest", str(drop), *FEBRUARY)
    assert said.returncode == 3, said
    assert re.search(where_and_what, said.stderr), said.stderr
    assert NOTHING_WRITTEN in said.stderr
    assert database_digest(loaded.connection) == before
    assert said.stdout == ""


FILES = {
    "missing feature file": (
        lambda d: (d / SUBS).unlink(),
        r"month_001/subscriptions.csv: expected a file of the drop, got none",
    ),
    "folder in place of a file": (
        as_folder(SUBS),
        r"subscriptions.csv: expected a file of the drop, got a folder",
    ),
    "dangling link": (
        as_dangling_link(SUBS),
        r"subscriptions.csv: expected a file of the drop, got a link to elsewhere.csv",
    ),
    "a folder as label file": (
        as_folder("labels.csv"),
        r"labels.csv: expected a file of the drop, got a folder",
    ),
    "wrong folder": (
        lambda d: [p.unlink() for p in d.iterdir()],
        r"none of the catalog's files is in this folder",
    ),
    "no folder": (
        lambda d: [*(p.unlink() for p in d.iterdir()), d.rmdir()],
        r"month_001: no such folder",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_a_broken_folder_is_named_and_nothing_is_written(
    call: Callable[..., Said], loaded: Installation, drop: Path, case: str
) -> None:
    spoil, where_and_what = FILES[case]
    spoil(drop)
    before = database_digest(loaded.connection)
    said = call("ingest", str(drop), *FEBRUARY)
    assert said.returncode == 3, said
    assert re.search(where_and_what, said.stderr), said.stderr
    assert re.search("Nothing was written; (add the missing files|name the folder)", said.stderr)
    assert database_digest(loaded.connection) == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'type = "date"',
            'type = "day"',
            r"mine.toml:\d+ tables.users.columns.signup_date.type: Input should be",
        ),
        (
            "max = 1200",
            "max = -1",
            r"mine.toml:\d+ tables.subscriptions.columns.months_active: min 0 is above max -1",
        ),
        ('key = "user_id"', "key = ", r"mine.toml: Invalid value \(at line \d+"),
        (
            'column = "churn_label"',
            'column = "churned"',
            r"label: table 'labels' has no column 'churned'",
        ),
    ],
    ids=["unknown type", "contradictory bounds", "malformed TOML", "no such label"],
)
def test_a_broken_catalog_is_named_with_its_place(
    call: Callable[..., Said], loaded: Installation, tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(DEFAULT_PATH.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    before = database_digest(loaded.connection)
    answer = call("--catalog", str(path), "migrate", "--plan")
    assert answer.returncode == 6
    assert re.search(said, answer.stderr), answer.stderr
    assert (
        "Nothing was changed. Correct the catalog and run 'streamflow migrate --plan' again."
        in answer.stderr
    )
    assert database_digest(loaded.connection) == before


def one_class(folder: Path) -> None:
    path = folder / "labels.csv"
    path.write_bytes(path.read_bytes().replace(b"True", b"False"))


def one_row(folder: Path) -> None:
    for path in folder.iterdir():
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (one_class, "all [0-9]+ labels are 0"),
        (one_row, "there are no rows|the only label is"),
    ],
    ids=["one class", "one row"],
)
def test_what_cannot_be_learned_from_is_said(
    call: Callable[..., Said], drop: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(drop)
    day = ("--as-of", "2024-03-31")
    assert call("ingest", str(drop), *day).returncode == 0
    assert call("snapshot", *day).returncode == 0
    answer = call("train", *day)
    assert answer.returncode == 10
    assert re.search(said, answer.stderr), answer.stderr
    assert "No run and no model version was written." in answer.stderr
    assert call("models", "--json").stdout.strip() == "[]"


@pytest.mark.parametrize(
    "command",
    [
        ["reports", "--below"],
        ["reports"],
        ["ledger", "--below"],
        ["models", "--below"],
        ["skew", "--sample"],
    ],
    ids=" ".join,
)
def test_a_number_that_the_database_cannot_hold_is_refused(
    command: list[str], call: Callable[..., Said]
) -> None:
    said = call(*command, str(2**63))
    assert said.returncode == 2
    assert f"less than or equal to {2**63 - 1}" in said.stderr


def test_an_unknown_as_of_is_answered_with_what_there_is(
    call: Callable[..., Said], loaded: Installation
) -> None:
    before = database_digest(loaded.connection)
    said = call("train", "--as-of", "2023-01-31")
    assert said.returncode == 8
    assert "no snapshot of 2023-01-31 was known at" in said.stderr
    assert "frozen drops: 2024-01-31" in said.stderr
    assert "'streamflow snapshots' shows what is frozen" in said.stderr
    assert database_digest(loaded.connection) == before
    assert call("snapshot", "--as-of", "2023-01-31").returncode == 8
    assert call("train", "--as-of", "31.01.2023").returncode == 2


def test_a_database_that_is_down_and_a_port_that_is_taken(
    call: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        said = call("serve", "--port", str(taken.getsockname()[1]))
        assert said.returncode == 18
        assert re.search(
            r"port \d+ of 127.0.0.1 is in use.*\nNothing was changed."
            r" Name a different port with --port",
            said.stderr,
        )
    monkeypatch.setenv("STREAMFLOW_DATABASE_URL", "postgresql://me:s3cret@127.0.0.1:1/churn")
    said = call("models")
    assert said.returncode == 11
    assert re.search(r"postgresql://me@/churn\?host=127.0.0.1&port=1: .*refused", said.stderr)
    assert "Nothing was changed. Run 'streamflow doctor'." in said.stderr
    assert "s3cret" not in said.stderr


HARMLESS = {
    "CRLF": lambda d: [p.write_bytes(p.read_bytes().replace(b"\n", b"\r\n")) for p in d.iterdir()],
    "reordered columns": lambda d: [reorder(p) for p in d.iterdir()],
    "quoted cells": lambda d: [quote(p) for p in d.iterdir()],
    "empty lines at the end": lambda d: [
        p.write_bytes(p.read_bytes() + b"\n\n") for p in d.iterdir()
    ],
}


def reorder(path: Path) -> None:
    rows = [line.split(b",") for line in path.read_bytes().splitlines()]
    path.write_bytes(b"".join(b",".join(reversed(row)) + b"\n" for row in rows))


def quote(path: Path) -> None:
    rows = [line.split(b",") for line in path.read_bytes().splitlines()]
    path.write_bytes(
        b"".join(b",".join(b'"' + c + b'"' if c else c for c in row) + b"\n" for row in rows)
    )


@pytest.mark.parametrize("case", HARMLESS)
def test_another_writing_of_the_same_rows_is_the_same_content(
    call: Callable[..., Said], loaded: Installation, drop: Path, simulated_drops: Path, case: str
) -> None:
    assert call("ingest", str(simulated_drops / "month_001"), *FEBRUARY).returncode == 0
    before = {t: d for t, d in database_digest(loaded.connection).items() if t.startswith("raw.")}
    HARMLESS[case](drop)
    said = call("ingest", str(drop), *FEBRUARY, "--allow-same")
    assert said.returncode == 0, said.stderr
    assert {
        t: d for t, d in database_digest(loaded.connection).items() if t.startswith("raw.")
    } == before


STRANGE = [
    "Robert'); DROP TABLE raw.users;--",
    "Zoë",
    "Zoe\u0308",
    'a "quoted", id',
    "line\nbreak",
    "\U0001f600",
    "%s {0} $1",
]


def test_any_text_can_be_a_key_and_stays_what_it_is(
    call: Callable[..., Said], loaded: Installation, drop: Path
) -> None:
    import csv

    for path in drop.iterdir():
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        for row, key in zip(rows[1:], STRANGE, strict=False):
            row[0] = key
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    day = ("--as-of", "2024-04-30")
    said = call("ingest", str(drop), *day)
    assert said.returncode == 0, said.stderr
    assert r"the keys 'Zoe\u0308' and 'Zo\xeb' differ only in their Unicode form" in said.stdout
    assert call("snapshot", *day).returncode == 0
    stored = loaded.connection.execute(
        "SELECT user_id FROM frozen.users WHERE as_of = '2024-04-30'"
    ).fetchall()
    assert set(STRANGE) <= {key for (key,) in stored}
    assert call("materialize").returncode == 0
    for key in STRANGE:
        row = loaded.connection.execute(
            "SELECT count(*) FROM online.subs_profile_fv WHERE user_id = %s", [key]
        ).fetchone()
        assert row == (1,)
