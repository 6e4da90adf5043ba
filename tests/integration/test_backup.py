"""backup and restore on real servers.

What is restored is what was backed up, and nothing half done remains.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import unified_diff
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import mlflow
import polars as pl
import psycopg
import pytest
from conftest import Cluster
from psycopg import sql
from support.api import asked, served
from support.chain import FEBRUARY, JANUARY, OURS, copy_drop, database_digest, in_production, run
from support.migrations import SCHEMA_NUMBERS, TO_0003
from support.postgres import OLDER, another_server, definitions
from support.stock_mlflow import mlflow_at

from streamflow.core.versions.manifest import BACKUP_NAME
from streamflow.database import Address, connect
from streamflow.database.embedded import remove_server
from streamflow.errors import (
    BackupDamaged,
    DatabaseUnavailable,
    NotMigrated,
    RestoreRefused,
    SnapshotDamaged,
    StreamflowError,
)
from streamflow.models.artifact_locations import LOCATION_COLUMNS
from streamflow.platform import Platform, open_platform
from streamflow.settings import Settings, load_settings
from streamflow.steps.data.forget import forget
from streamflow.steps.data.migrate import migrate
from streamflow.steps.promotion.promote import promote
from streamflow.steps.training.train import train
from streamflow.steps.upkeep.backup import backup
from streamflow.steps.upkeep.backup_content import BackupContent
from streamflow.steps.upkeep.doctor import doctor
from streamflow.steps.upkeep.restore import RestoreReceipt, check_backup, restore
from streamflow.steps.versions.registered_version import load_answering
from streamflow.warehouse.whole_database import SCHEMAS

ALL = (*OURS, "history", "feast")


@dataclass(frozen=True, kw_only=True)
class State:
    """What a restored installation must have in common with the one that was backed up."""

    tables: tuple[dict[str, str], dict[str, str]]
    definitions: list[str]
    versions: list[Any]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A backup, what it was made of, and what the API said there."""

    file: Path
    state: State
    answers: list[Any]
    receipt: BackupContent


def mlflows(platform: Platform) -> Address:
    return platform.login.with_database(platform.settings.mlflow_database)


def tables(platform: Platform) -> tuple[dict[str, str], dict[str, str]]:
    """Digests of every table of both databases; where the artifacts lie does not count."""
    root = (
        "mlflow-artifacts:"
        if platform.settings.mlflow_tracking_uri
        else (platform.home / "artifacts").as_uri()
    )
    with connect(mlflows(platform)) as other:
        return database_digest(platform.connection, ALL), database_digest(
            other, ["public"], told=(root, "ROOT")
        )


def state(platform: Platform) -> State:
    shown = definitions(platform.login, *(f"--schema={name}" for name in SCHEMAS)) + definitions(
        mlflows(platform), "--table=public.*"
    )
    for table in (
        "prediction_log",
        "ledger",
    ):  # PostgreSQL 15 shows it before each column of a view of it
        shown = [line.replace(f"{table}.", "") for line in shown]
    return State(tables=tables(platform), definitions=shown, versions=platform.models.versions())


def assert_same(found: State, expected: State) -> None:
    """Part by part: a test that fails says where."""
    assert "\n".join(unified_diff(expected.definitions, found.definitions, n=0, lineterm="")) == ""
    for ours, theirs in zip(found.tables, expected.tables, strict=True):
        assert {name: digest for name, digest in ours.items() if theirs.get(name) != digest} == {}
        assert ours.keys() == theirs.keys()
    assert found.versions == expected.versions


def answers(platform: Platform, base: str) -> list[Any]:
    """What the API at `base` says of 100 users."""
    keys = platform.connection.execute(
        "SELECT user_id FROM online.subs_profile_fv ORDER BY 1 LIMIT 100"
    ).fetchall()
    found = [asked(f"{base}/predict", {"user_id": key}) for (key,) in keys]
    assert [answer.status for answer in found] == [200] * 100
    return [
        {name: value for name, value in answer.body.items() if name != "age_days"}
        for answer in found
    ]  # it grows


def wrong(settings: Settings) -> set[str]:
    """What doctor finds, but for what other installations of this machine left."""
    found = doctor(settings, now=lambda: datetime.now(UTC))
    return {f"{f.subject}: {f.text}" for f in found if f.is_wrong and f.subject != "leftovers"}


def administer(address: Address, statement: str) -> None:
    with psycopg.connect(address.conninfo(), autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, simulated_drops: Path) -> Source:
    """A backup of an installation that was served meanwhile and is then wiped.

    It holds two months, a correction, a forgotten user, and a version in each of two stages.
    """
    folder = tmp_path_factory.mktemp("source")
    home, file = folder / "home", folder / "state.backup"
    with open_platform(load_settings(home=home, trees=10), must_be_migrated=False) as platform:
        migrate(platform)
        run(platform, simulated_drops / "month_000", JANUARY)
        run(platform, simulated_drops / "month_001", FEBRUARY)
        fees = {"monthly_fee": pl.col("monthly_fee").str.replace("^1", "2")}
        run(
            platform,
            copy_drop(simulated_drops / "month_001", folder / "corrected", subscriptions=fees),
            FEBRUARY,
        )
        in_production(platform, JANUARY)
        promote(platform, train(platform, FEBRUARY).version, to="staging", why="it's \\ a \r test")
        row = platform.connection.execute(
            "SELECT min(user_id) FROM online.subs_profile_fv"
        ).fetchone()
        assert row is not None
        forget(platform, row[0], why="a request")
        (home / "prefect").mkdir()
        with (
            closing(sqlite3.connect(home / "prefect" / "prefect.db")) as history,
            served(platform) as base,
        ):
            said = answers(platform, base)
            history.executescript("PRAGMA journal_mode = wal; CREATE TABLE flow_run (name text)")
            with history:
                history.execute(
                    "INSERT INTO flow_run VALUES ('monthly')"
                )  # lies in the log beside the file
            receipt = backup(platform, file)
        found = state(platform)
    remove_server(home)
    shutil.rmtree(home)
    return Source(file=file, state=found, answers=said, receipt=receipt)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "else where" / "home"
    remove_server(tmp_path / "else where" / "home")


def restored(settings: Settings, file: Path) -> RestoreReceipt:
    with open_platform(settings, must_be_migrated=False) as platform:
        return restore(platform, file)


def test_a_backup_restored_elsewhere_is_the_same_installation(source: Source, home: Path) -> None:
    settings = load_settings(home=home, trees=10, api_port=0)
    receipt = restored(settings, source.file)
    assert receipt.notes == ()
    assert receipt.backup.sha256 == source.receipt.sha256
    assert (
        (receipt.revisions_verified, receipt.models_verified)
        == (source.receipt.revisions, 2)
        == (13, 2)
    )
    assert wrong(settings) == set()
    with open_platform(settings) as platform:
        assert_same(state(platform), source.state)
        assert migrate(platform).changes == ()
        assert [(v.version, v.stage) for v in source.state.versions] == [
            (2, "Staging"),
            (1, "Production"),
        ]
        with connect(mlflows(platform)) as connection:
            assert texts_with(connection, str(source.file.parent)) == []
        with served(platform) as base:
            assert answers(platform, base) == source.answers
        with mlflow_at(platform.tracking_uri):  # a stock client
            loaded = mlflow.sklearn.load_model(f"models:/{platform.catalog.model}/Production")
        assert len(loaded.steps[-1][1].estimators_) == 10
    with closing(sqlite3.connect(home / "prefect" / "prefect.db")) as history:
        assert history.execute("SELECT name FROM flow_run").fetchall() == [("monthly",)]


def texts_with(connection: psycopg.Connection, text: str) -> list[str]:
    """Every column of MLflow's tables that holds `text` somewhere."""
    columns = connection.execute(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public'"
    ).fetchall()
    assert len(columns) > 100
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE position({} IN {}::text) > 0)")
    return [
        f"{table}.{column}"
        for table, column in columns
        if connection.execute(
            query.format(sql.Identifier(table), text, sql.Identifier(column))
        ).fetchone()
        == (True,)
    ]


OTHER_SERVERS = [
    pytest.param(
        version,
        id=f"18 to {version}",
        marks=pytest.mark.skipif(
            not (OLDER[version] / "bin").is_dir(),
            reason=f"PostgreSQL {version} is not installed here",
        ),
    )
    for version in ("16", "15")
]


@pytest.mark.parametrize("version", OTHER_SERVERS)
def test_an_older_server_and_a_user_that_is_no_superuser(
    source: Source, tmp_path: Path, version: str
) -> None:
    with another_server(OLDER[version]) as superuser:
        administer(superuser, "CREATE ROLE alice LOGIN CREATEROLE CREATEDB")
        administer(
            superuser, "CREATE DATABASE churn OWNER alice ENCODING 'UTF8' TEMPLATE template0"
        )
        url = f"postgresql://alice@/churn?host={superuser.parameters['host']}"
        settings = load_settings(home=tmp_path / "home", database_url=url, api_port=0, trees=10)
        restored(settings, source.file)
        assert wrong(settings) == set()
        with open_platform(settings) as platform:
            assert_same(state(platform), source.state)
            assert migrate(platform).changes == ()
            again = backup(platform, tmp_path / "again.backup")
            assert again.postgresql.startswith(f"{version}.")
            assert (again.versions, again.rows, again.notes) == (
                moved(source, platform),
                source.receipt.rows,
                (),
            )


def moved(source: Source, platform: Platform) -> tuple[Any, ...]:
    old, new = str(source.file.parent / "home"), str(platform.home)
    return tuple(replace(v, location=v.location.replace(old, new)) for v in source.receipt.versions)


@pytest.fixture
def empty(cluster: Cluster, tmp_path: Path) -> Iterator[Callable[..., Settings]]:
    """Settings of databases that are not there yet, on the server of all tests."""
    names = []

    def made(**flags: Any) -> Settings:
        names.append(f"sf_test_{uuid4().hex[:12]}")
        return cluster.settings(names[-1], tmp_path / names[-1], trees=10, **flags)

    yield made
    for name in names:
        cluster.drop(name)


def test_behind_an_mlflow_server_locations_are_its_own_and_come_back(
    source: Source, empty: Callable[..., Settings], tmp_path: Path
) -> None:
    proxied = empty(
        mlflow_tracking_uri="http://127.0.0.1:9"
    )  # nobody listens there: a restore needs no server
    assert restored(proxied, source.file).models_verified == 2
    with open_platform(proxied) as platform:
        with connect(mlflows(platform)) as connection:
            for table, column, _ in LOCATION_COLUMNS[:3]:
                query = sql.SQL("SELECT DISTINCT split_part({}, '/', 1) FROM public.{}")
                found = connection.execute(
                    query.format(sql.Identifier(column), sql.Identifier(table))
                ).fetchall()
                assert found == [("mlflow-artifacts:",)]
        assert tables(platform) == source.state.tables
        assert backup(platform, tmp_path / "proxied.backup").notes == ()
    native = empty()
    restored(native, tmp_path / "proxied.backup")
    with open_platform(native) as platform:
        assert state(platform).tables == source.state.tables
        assert 0 < load_answering(platform, platform.models.version(1)).predictor.threshold < 1


def test_what_is_there_already_is_never_touched(
    source: Source, platform: Platform, empty: Callable[..., Settings]
) -> None:
    before = tables(platform)
    with pytest.raises(
        RestoreRefused,
        match=r"(?s)has the schemas feast, .*has the tables public.alembic_version,"
        r" .* more.*delete by hand what is named above",
    ):
        restore(platform, source.file)
    assert tables(platform) == before

    settings = empty()
    other = (
        settings.home
        / "artifacts"
        / next(n for n in ZipFile(source.file).namelist() if n.endswith("MLmodel"))[
            len("artifacts/") :
        ]
    )
    other.parent.mkdir(parents=True)
    other.write_text("mine")
    with pytest.raises(
        RestoreRefused, match="different files lie where artifacts of the backup belong: .*MLmodel"
    ):
        restored(settings, source.file)
    assert other.read_text() == "mine"
    with open_platform(settings, must_be_migrated=False) as opened:
        with connect(mlflows(opened), autocommit=True) as connection:
            connection.execute("CREATE TABLE theirs ()")
        with pytest.raises(
            RestoreRefused, match="not empty: the database .* has the tables public.theirs;"
        ):
            restore(opened, source.file)


def test_a_role_that_the_backup_needs_is_asked_for(
    source: Source,
    platform: Platform,
    empty: Callable[..., Settings],
    server: Address,
    tmp_path: Path,
) -> None:
    reader = f"reader_{uuid4().hex[:8]}"
    administer(server, f"CREATE ROLE {reader}")
    administer(
        platform.login,
        f"GRANT USAGE ON SCHEMA online TO {reader};"
        f" GRANT SELECT ON online.subs_profile_fv TO {reader}",
    )
    backup(platform, tmp_path / "state.backup")
    administer(platform.login, f"DROP OWNED BY {reader}; DROP ROLE {reader}")
    settings = empty()
    with pytest.raises(RestoreRefused, match=f'CREATE ROLE "{reader}"'):
        restored(settings, tmp_path / "state.backup")
    administer(server, f"CREATE ROLE {reader}")
    try:
        restored(settings, tmp_path / "state.backup")
        with open_platform(settings) as opened:
            asked_for = "SELECT has_table_privilege(%s, 'online.subs_profile_fv', 'SELECT')"
            assert opened.connection.execute(asked_for, [reader]).fetchone() == (True,)
            administer(opened.login, f"DROP OWNED BY {reader}")
    finally:
        administer(server, f"DROP ROLE {reader}")


def test_an_older_schema_is_restored_and_migrated_and_a_newer_one_refused(
    source: Source, platform: Platform, empty: Callable[..., Settings], tmp_path: Path
) -> None:
    administer(platform.login, TO_0003)
    backup(platform, tmp_path / "older.backup")
    settings = empty()
    assert any(
        "run 'streamflow migrate'" in note
        for note in restored(settings, tmp_path / "older.backup").notes
    )
    with open_platform(settings, must_be_migrated=False) as opened:
        assert [change.split(":")[0] for change in migrate(opened).changes] == [
            *(f"fixed tables {number}" for number in SCHEMA_NUMBERS if number > "0003"),
            "view streamflow.drop_overview of users, labels.churn_label",
        ]
    newer = rewritten(source.file, tmp_path / "newer.backup", schema_version="9999")
    with pytest.raises(RestoreRefused, match="(?s)schema version 9999.*Install streamflow"):
        restored(empty(), newer)
    newer = rewritten(source.file, tmp_path / "newest.backup", format=2)
    with pytest.raises(RestoreRefused, match="format 2, written by streamflow"):
        check_backup(newer)


def rewritten(file: Path, to: Path, **changes: Any) -> Path:
    """A copy with another manifest."""

    def change(name: str, content: bytes) -> bytes:
        return (
            json.dumps({**json.loads(content), **changes}).encode()
            if name == BACKUP_NAME
            else content
        )

    return copied(file, to, change)


def copied(file: Path, to: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """A copy of a ZIP file with its members changed."""
    with ZipFile(file) as old, ZipFile(to, "w", ZIP_DEFLATED, compresslevel=1) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return to


def with_member(file: Path, to: Path, member: ZipInfo, *, named: bool = True) -> Path:
    """A copy with one more member, which the manifest names, or not."""
    entry = {"sha256": sha256(b"planted").hexdigest(), "bytes": len(b"planted")}
    with ZipFile(file) as old:
        members = json.loads(old.read(BACKUP_NAME))["members"]
    rewritten(file, to, members={**members, **({member.filename: entry} if named else {})})
    with ZipFile(to, "a") as archive:
        archive.writestr(member, b"planted")
    return to


def symlink() -> ZipInfo:
    info = ZipInfo("artifacts/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def flipped(file: Path, to: Path) -> Path:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    to.write_bytes(content)
    return to


def cut(file: Path, to: Path) -> Path:
    to.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return to


def exchanged(file: Path, to: Path) -> Path:
    """A dump that was changed with the ZIP file's own checksums made right again."""
    return copied(
        file,
        to,
        lambda name, content: (
            content[:-9] + b"SELECT 1;" if name == "postgres/mlflow.sql" else content
        ),
    )


def lengthened(file: Path, to: Path) -> Path:
    """A dump with one more statement than the manifest knows."""
    return copied(
        file,
        to,
        lambda name, content: content + b"SELECT 1;" if name == "postgres/mlflow.sql" else content,
    )


DAMAGES: dict[str, tuple[Callable[[Path, Path], Path], str]] = {
    "one bit": (flipped, r"CRC|Error -3|invalid|digest"),
    "cut off": (cut, "not a zip"),
    "no zip": (lambda _, to: Path(shutil.copy(__file__, to)), "not a zip"),
    "absent": (lambda _, to: to, "No such file"),
    "another zip": (lambda _, to: with_plain_zip(to), "manifest.json is missing"),
    "exchanged dump": (exchanged, "postgres/mlflow.sql: it has the digest"),
    "longer dump": (lengthened, "postgres/mlflow.sql: it has .* bytes, the manifest says"),
    "no manifest that can be read": (
        lambda file, to: rewritten(file, to, members=1),
        "manifest.json: members",
    ),
    "above": (
        lambda file, to: with_member(file, to, ZipInfo("artifacts/../../planted")),
        "is not a name that streamflow gives to a file",
    ),
    "absolute": (
        lambda file, to: with_member(file, to, ZipInfo("/planted")),
        "is not a name that streamflow gives to a file",
    ),
    "symbolic link": (
        lambda file, to: with_member(file, to, symlink()),
        "is not a name that streamflow gives to a file",
    ),
    "surplus": (
        lambda file, to: with_member(file, to, ZipInfo("artifacts/planted"), named=False),
        "is not exactly once both in the file and in its manifest",
    ),
}


def with_plain_zip(to: Path) -> Path:
    with ZipFile(to, "w") as archive:
        archive.writestr("a.txt", "a")
    return to


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_before_anything_is_touched(
    source: Source, empty: Callable[..., Settings], tmp_path: Path, damage: str
) -> None:
    make, words = DAMAGES[damage]
    file = make(source.file, tmp_path / "damaged.backup")
    with pytest.raises(BackupDamaged, match=words):
        check_backup(file)
    with open_platform(empty(), must_be_migrated=False) as platform:
        with pytest.raises(BackupDamaged, match=words):
            restore(platform, file)
        assert not (platform.home / "artifacts").exists()
        with pytest.raises(DatabaseUnavailable, match="does not exist"):
            connect(platform.login)


def test_a_dump_cannot_run_a_program_on_our_side(
    source: Source, empty: Callable[..., Settings], tmp_path: Path
) -> None:
    """Even one whose manifest was made to fit: psql is confined."""
    planted, name = tmp_path / "planted", "postgres/mlflow.sql"
    with ZipFile(source.file) as old:
        members = json.loads(old.read(BACKUP_NAME))["members"]
        dump = old.read(name).replace(
            b"SET statement_timeout", f"\\! touch {planted}\nSET statement_timeout".encode(), 1
        )
    entry = {"sha256": sha256(dump).hexdigest(), "bytes": len(dump)}
    named = rewritten(source.file, tmp_path / "named.backup", members={**members, name: entry})
    file = copied(
        named,
        tmp_path / "planted.backup",
        lambda member, content: dump if member == name else content,
    )
    settings = empty()
    with pytest.raises(
        StreamflowError, match="(?s)backslash commands are restricted.*it starts over"
    ):
        restored(settings, file)
    assert not planted.exists()
    assert restored(settings, source.file).models_verified == 2


def test_a_backup_is_private_whole_and_replaces_nothing(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "state.backup"
    before = os.umask(0)
    try:
        backup(platform, file)
    finally:
        os.umask(before)  # of the whole process: the next test needs its own
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    content = file.read_bytes()
    with pytest.raises(StreamflowError, match=r"(?s)state.backup exists.*--force"):
        backup(platform, file)
    assert file.read_bytes() == content
    assert (
        backup(platform, file, force=True).sha256
        == sha256(file.read_bytes()).hexdigest()
        == check_backup(file).sha256
    )
    with pytest.raises(StreamflowError, match="among the artifacts"):
        backup(platform, platform.home / "artifacts" / "state.backup")
    administer(
        mlflows(platform),
        "REVOKE ALL ON runs FROM streamflow_writer; ALTER TABLE runs OWNER TO CURRENT_USER",
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege):  # in the middle of it
        backup(platform, file, force=True)
    assert sorted(p.name for p in tmp_path.glob("*.backup*")) == ["state.backup"]


def test_an_empty_database_is_nothing_to_back_up(
    empty: Callable[..., Settings], tmp_path: Path
) -> None:
    with (
        open_platform(empty(), must_be_migrated=False) as opened,
        pytest.raises(NotMigrated, match="nothing to back up"),
    ):
        backup(opened, tmp_path / "state.backup")
    assert list(tmp_path.glob("*.backup*")) == []


def test_damage_of_the_source_is_said_when_it_is_restored(
    source: Source, empty: Callable[..., Settings], tmp_path: Path
) -> None:
    """A cell changed in the database before the backup: the file is whole, the revision is not."""
    settings = empty()
    restored(settings, source.file)
    with open_platform(settings) as opened:
        administer(
            opened.login,
            "SET session_replication_role = replica; UPDATE frozen.users"
            " SET user_gender = 'x' WHERE revision = 1",
        )
        model = next((opened.home / "artifacts").rglob("model.skops"))
        model.write_bytes(b"another")
        assert "model file is damaged" in " ".join(
            backup(opened, tmp_path / "damaged.backup").missing
        )
    with pytest.raises(
        SnapshotDamaged,
        match=r"users of 2024-01-31, revision 1:"
        r" its rows have the digest(.|\n)*restored as the backup",
    ):
        restored(empty(), tmp_path / "damaged.backup")
