"""Late, corrected and incomplete drops, rejected rows, and several loaders at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from conftest import Cluster
from support.chain import (
    FEBRUARY,
    JANUARY,
    MARCH,
    NOW,
    copy_drop,
    database_digest,
    in_production,
    load,
    run,
)
from support.fork_server import ForkedConversation

from streamflow.catalog import DEFAULT_PATH
from streamflow.errors import ContractViolation
from streamflow.platform import Platform
from streamflow.steps.data.forget import forget
from streamflow.steps.data.ingest import ingest
from streamflow.steps.data.migrate import migrate
from streamflow.steps.data.snapshot import snapshot
from streamflow.steps.monitoring.monitor import monitor
from streamflow.steps.serving.explain import explain
from streamflow.steps.serving.predict import predict
from streamflow.steps.training.training_set import training_set
from streamflow.warehouse.drops import rejected_rows

KEY = "7590-VHVEG"


def only(key: str, column: str, text: str) -> dict[str, pl.Expr]:
    """One cell changed."""
    return {column: pl.when(pl.col("user_id") == key).then(pl.lit(text)).otherwise(pl.col(column))}


def test_february_before_january_is_the_same_as_the_other_way_round(
    platform: Platform, simulated_drops: Path
) -> None:
    run(platform, simulated_drops / "month_001", FEBRUARY)
    early = training_set(platform, FEBRUARY)
    run(platform, simulated_drops / "month_000", JANUARY)
    late = training_set(platform, FEBRUARY)
    assert late.digest == early.digest
    assert training_set(platform, JANUARY, label_lead=1).label_as_of == FEBRUARY
    live = platform.connection.execute(
        "SELECT DISTINCT as_of::date FROM online.subs_profile_fv"
    ).fetchall()
    assert live == [(FEBRUARY.date(),)]


def test_a_correction_in_march_changes_the_sets_it_must_and_counts_its_cells(
    platform: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    load(platform, simulated_drops / "month_000", JANUARY)
    load(platform, simulated_drops / "month_001", FEBRUARY)
    before = {lead: training_set(platform, JANUARY, label_lead=lead) for lead in (0, 1)}
    february = training_set(platform, FEBRUARY)
    changes = {
        "subscriptions": only(KEY, "monthly_fee", "31.5") | only(KEY, "total_paid", "63"),
        "usage_agg_30d": {"skips_7d": pl.lit("9")},
    }
    receipt = load(
        platform,
        copy_drop(simulated_drops / "month_000", tmp_path / "corrected", **changes),
        JANUARY,
    )
    made = {t.table: t for t in receipt.tables if t.created}
    assert set(made) == {"subscriptions", "usage_agg_30d"}
    assert made["subscriptions"].changed_cells == {"monthly_fee": 1, "total_paid": 1}
    skips = pl.read_csv(simulated_drops / "month_000/usage_agg_30d.csv")["skips_7d"]
    assert made["usage_agg_30d"].changed_cells == {"skips_7d": int((skips != 9).sum())}
    assert training_set(platform, FEBRUARY).digest == february.digest
    for lead, former in before.items():
        assert training_set(platform, JANUARY, label_lead=lead).digest != former.digest
        assert (
            training_set(platform, JANUARY, label_lead=lead, known_at=former.known_at).digest
            == former.digest
        )


def test_keys_that_come_and_go_are_counted(
    platform: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    load(platform, simulated_drops / "month_000", JANUARY)
    folder = copy_drop(simulated_drops / "month_000", tmp_path / "fewer")
    for path in folder.iterdir():
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[:-3]))
    receipt = load(platform, folder, JANUARY)
    assert {(t.table, t.added, t.removed) for t in receipt.tables} == {
        (t.table, 0, 3) for t in receipt.tables
    }
    back = load(platform, simulated_drops / "month_000", JANUARY)
    assert {(t.added, t.removed, t.revision) for t in back.tables} == {(3, 0, 3)}


def test_a_key_that_a_nullable_file_leaves_out_is_null_everywhere(
    open_with: Callable[..., Platform], simulated_drops: Path, tmp_path: Path
) -> None:
    lines = DEFAULT_PATH.read_text(encoding="utf-8").splitlines()
    text = "\n".join(
        line.replace(" }", ", nullable = true }") if 'view = "usage_agg_30d_fv"' in line else line
        for line in lines
    )
    (tmp_path / "nullable.toml").write_text(text, encoding="utf-8")
    platform = open_with(migrated=False, catalog=tmp_path / "nullable.toml")
    migrate(platform)
    run(platform, simulated_drops / "month_000", JANUARY)
    folder = copy_drop(simulated_drops / "month_001", tmp_path / "february")
    usage = pl.read_csv(folder / "usage_agg_30d.csv", infer_schema=False).filter(
        pl.col("user_id") != KEY
    )
    usage.write_csv(folder / "usage_agg_30d.csv")
    run(platform, folder, FEBRUARY)
    offline = (
        training_set(platform, FEBRUARY).frame.filter(pl.col("user_id") == KEY).row(0, named=True)
    )
    assert offline["watch_hours_30d"] is None  # and not January's, which the ttl would allow
    in_production(platform, FEBRUARY)
    served = predict(platform, KEY, now=NOW)
    assert served.features == {name: offline[name] for name in served.features}
    assert (
        training_set(platform, JANUARY).frame.filter(pl.col("user_id") == KEY)["watch_hours_30d"][0]
        is not None
    )


def test_a_number_that_nobody_has_yet_is_trained_on_and_served(
    open_with: Callable[..., Platform], simulated_drops: Path, tmp_path: Path
) -> None:
    catalog = tmp_path / "catalog.toml"
    declared = 'watch_hours_30d      = { type = "float", '
    text = DEFAULT_PATH.read_text()
    assert declared in text
    catalog.write_text(text.replace(declared, f"{declared}nullable = true, "))
    platform = open_with(migrated=False, catalog=catalog, model="auto")
    migrate(platform)
    empty = {"watch_hours_30d": pl.lit(None, dtype=pl.String)}
    folder = copy_drop(simulated_drops / "month_000", tmp_path / "new", usage_agg_30d=empty)
    run(platform, folder, JANUARY)
    trained = in_production(platform, JANUARY)
    assert any(name.startswith("boosting") for name in trained.candidates)
    served = predict(platform, KEY, now=NOW)
    assert served.features["watch_hours_30d"] is None
    assert 0 < served.probability < 1
    assert explain(platform, KEY, now=NOW).probability == served.probability
    run(platform, simulated_drops / "month_001", FEBRUARY)
    report = monitor(platform, FEBRUARY).report
    (drift,) = [feature for feature in report.features if feature.name == "watch_hours_30d"]
    assert drift.reasons == ("watch_hours_30d: missing 100.00% -> 0.00%",)


# --- rejected rows --------------------------------------------------------------------


def test_a_bad_row_takes_its_user_along_and_is_kept_with_line_and_reason(
    platform: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    keys = pl.read_csv(simulated_drops / "month_000/users.csv")["user_id"].to_list()
    folder = copy_drop(
        simulated_drops / "month_000",
        tmp_path / "bad",
        subscriptions=only(keys[2], "monthly_fee", "-3"),
    )
    with pytest.raises(ContractViolation):
        ingest(platform, folder, JANUARY)
    receipt = ingest(platform, folder, JANUARY, reject_rows=True)
    assert (receipt.rejected, {f.rows for f in receipt.files}) == (6, {399})
    kept = rejected_rows(platform.connection, JANUARY)
    assert {(r.table_name, r.line, r.key) for r in kept} == {
        (t, 4, keys[2]) for t in platform.catalog.tables
    }
    reasons = {r.table_name: r.reason for r in kept}
    bad = (
        "bad/subscriptions.csv:4 column 'monthly_fee': expected number >= 0 and <= 10000, got '-3'"
    )
    assert reasons["subscriptions"] == bad
    assert reasons["users"] == f"left out with {bad}"
    assert '"monthly_fee": "-3"' in next(r.cells for r in kept if r.table_name == "subscriptions")
    assert (
        ingest(platform, folder, JANUARY, reject_rows=True).rejected == 6
    )  # no change, and still said
    snapshot(platform, JANUARY)
    assert len(training_set(platform, JANUARY).frame) == 399
    assert not ingest(platform, simulated_drops / "month_000", JANUARY).rejected
    assert rejected_rows(platform.connection, JANUARY) == []


def test_repeated_ragged_and_unknown_rows_are_rejected_too(
    platform: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    folder = copy_drop(simulated_drops / "month_000", tmp_path / "bad")
    users = (folder / "users.csv").read_bytes().splitlines(keepends=True)
    (folder / "users.csv").write_bytes(b"".join([*users, users[5]]))
    with (folder / "payments_agg_90d.csv").open("ab") as file:
        file.write(b"9999-NOONE,0\n1,2,3\n,0\n")
    receipt = ingest(platform, folder, JANUARY, reject_rows=True)
    # both rows of the repeated user, its 5 in the different files, the unknown user, the ragged
    # row,
    # the row without a key
    assert (receipt.rejected, {f.rows for f in receipt.files}) == (7 + 3, {399})


def test_a_label_with_too_few_cells_takes_its_user_along(
    platform: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    folder = copy_drop(simulated_drops / "month_000", tmp_path / "bad")
    header, first, *others = (folder / "labels.csv").read_text().splitlines()
    key = first.split(",")[0]
    (folder / "labels.csv").write_text("\n".join([header, key, *others, ""]))
    receipt = ingest(platform, folder, JANUARY, reject_rows=True)
    assert (receipt.rejected, {f.rows for f in receipt.files}) == (6, {399})
    rejected = rejected_rows(platform.connection, JANUARY)
    assert {(r.table_name, r.key) for r in rejected} == {
        (table, key) for table in platform.catalog.tables
    }
    assert {r.reason.removeprefix("left out with ") for r in rejected} == {
        "bad/labels.csv:2: expected 2 cells, got 1"
    }


def test_a_forgotten_key_is_in_no_rejected_row_however_it_was_written(
    open_with: Callable[..., Platform], simulated_drops: Path, tmp_path: Path
) -> None:
    """A row with too few cells is kept as it was written, and read with the format of its file."""
    catalog = tmp_path / "catalog.toml"
    catalog.write_text(DEFAULT_PATH.read_text() + "\n[files.users]\ntrim = true\n")
    platform = open_with(migrated=False, catalog=catalog)
    migrate(platform)
    folder = copy_drop(simulated_drops / "month_000", tmp_path / "bad")
    with (folder / "users.csv").open("a") as file:
        file.write(" SOME-BODY ,short\n")
    for _ in range(2):
        ingest(platform, folder, JANUARY, reject_rows=True)
        held = rejected_rows(platform.connection, JANUARY)
        assert [r.key for r in held if "SOME-BODY" in r.cells] == ["SOME-BODY"]
    forget(platform, "SOME-BODY", why="asked for")
    assert not rejected_rows(platform.connection, JANUARY)
    with (folder / "users.csv").open("a") as file:
        file.write("  SOME-BODY,short\n,short\n")
    ingest(platform, folder, JANUARY, reject_rows=True)
    assert [r.key for r in rejected_rows(platform.connection, JANUARY)] == [None]


def test_too_many_rejects_stop_the_drop_and_a_broken_file_is_no_row(
    platform: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    before = database_digest(platform.connection)
    many = {
        "monthly_fee": pl.when(pl.int_range(pl.len()) < 5)
        .then(pl.lit("-1"))
        .otherwise(pl.col("monthly_fee"))
    }
    with pytest.raises(
        ContractViolation,
        match=r"1.25% of 400 keys would be rejected, the setting max_reject_share allows 1.00%",
    ):
        ingest(
            platform,
            copy_drop(simulated_drops / "month_000", tmp_path / "many", subscriptions=many),
            JANUARY,
            reject_rows=True,
        )
    folder = copy_drop(simulated_drops / "month_000", tmp_path / "header")
    text = (folder / "users.csv").read_text()
    (folder / "users.csv").write_text(text.replace("user_gender", "gender", 1))
    with pytest.raises(
        ContractViolation,
        match=r"users.csv:1 column 'user_gender': expected this column in the header",
    ):
        ingest(platform, folder, JANUARY, reject_rows=True)
    assert database_digest(platform.connection) == before


# --- several at once ------------------------------------------------------------------

# Its arguments are folder and as_of of each drop. It loads the next drop for each line that it
# reads.
LOADER = """
import sys
from datetime import datetime
from pathlib import Path
from streamflow.platform import open_platform
from streamflow.settings import load_settings
from streamflow.steps.data.ingest import ingest
from streamflow.steps.data.materialize import materialize
from streamflow.steps.data.snapshot import snapshot
with open_platform(load_settings()) as platform:
    print("ready", flush=True)
    for folder, day in zip(sys.argv[1::2], sys.argv[2::2]):
        sys.stdin.readline()
        as_of = datetime.fromisoformat(f"{day}T00:00Z")
        ingest(platform, Path(folder), as_of)
        snapshot(platform, as_of)
        materialize(platform)
        print("loaded", flush=True)
"""


def loader(variables: dict[str, str], *jobs: tuple[Path, str]) -> ForkedConversation:
    words = [str(word) for job in jobs for word in job]
    return ForkedConversation(LOADER, *words, environment={**os.environ, **variables})


def go(loaders: list[ForkedConversation]) -> None:
    """All at once: the next job of each."""
    for one in loaders:
        one.say("go")
    assert [one.hear() for one in loaders] == ["loaded"] * len(loaders)


def test_two_loaders_at_once_end_as_one_after_the_other(
    cluster: Cluster, installation: str, platform: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    variables = cluster.variables(installation, tmp_path / "home")
    january, february = simulated_drops / "month_000", simulated_drops / "month_001"
    other = copy_drop(january, tmp_path / "other", subscriptions={"monthly_fee": pl.lit("1.5")})
    same = (other, "2024-03-31")
    loaders = [
        loader(variables, (january, "2024-01-31"), same),
        loader(variables, (february, "2024-02-29"), same),
    ]
    assert [one.hear() for one in loaders] == ["ready"] * len(loaders)
    go(loaders)
    sets = {day: training_set(platform, day) for day in (JANUARY, FEBRUARY)}
    assert {len(s.frame) for s in sets.values()} == {400, len(sets[FEBRUARY].frame)}
    live = platform.connection.execute(
        "SELECT DISTINCT as_of::date FROM online.usage_agg_30d_fv"
    ).fetchall()
    assert live == [(FEBRUARY.date(),)]

    go(loaders)
    assert [one.end() for one in loaders] == [0, 0]
    revisions = platform.connection.execute(
        "SELECT table_name, max(revision) FROM streamflow.revision"
        " WHERE as_of = '2024-03-31' GROUP BY 1"
    ).fetchall()
    assert {number for _, number in revisions} == {1}
    assert training_set(platform, MARCH).frame["monthly_fee"].unique().to_list() == [1.5]
