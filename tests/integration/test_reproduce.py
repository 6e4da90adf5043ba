"""reproduce: bit for bit, whatever happened later.

Each level that drifts is named, and no second one; what was tampered with is named.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from uuid import uuid4

import polars as pl
import psycopg
import pytest
from conftest import Cluster
from support.chain import FEBRUARY, JANUARY, copy_drop, database_digest, load
from support.command import called
from support.fork_server import run_forked
from support.gym import MONTHS, write_gym
from support.variations import Variation, lie_otherwise, variations

import streamflow
from streamflow.core.versions.level_comparison import LEVELS
from streamflow.errors import NotRebuildable, VersionMissing
from streamflow.models.system_metrics import SystemSamples
from streamflow.platform import Platform, open_platform
from streamflow.steps.data.forget import forget
from streamflow.steps.data.init import init
from streamflow.steps.data.migrate import migrate
from streamflow.steps.training.certify import certify
from streamflow.steps.training.fit import fit
from streamflow.steps.training.honesty import check_label_honesty
from streamflow.steps.training.train import register, train
from streamflow.steps.training.training_set import training_set
from streamflow.steps.versions.rebuild_verdict import IDENTICAL, UNEXPLAINED, WITHIN
from streamflow.steps.versions.reproduce import ReproduceReceipt, reproduce

SUPPORT = Path(__file__).parents[1]
Said = dict[str, dict[str, object]]
Tamper = Callable[..., dict[str, tuple[str, ...]]]  # SQL statements -> level -> its differences


@pytest.fixture(scope="module")
def trained(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """January is loaded and trained as version 1; the tests leave it as they found it."""
    name = f"sf_reproduce_{uuid4().hex[:12]}"
    cluster.clone(name)
    with open_platform(
        cluster.settings(name, tmp_path_factory.mktemp("reproduce") / "home", trees=8)
    ) as platform:
        load(platform, simulated_drops / "month_000", JANUARY)
        train(platform, JANUARY)
        yield platform
    cluster.drop(name)


def administer(platform: Platform, statement: str) -> None:
    """As the owner, to whom the triggers are no obstacle once they are disabled."""
    with psycopg.connect(platform.login.conninfo(), autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


def drifted(receipt: ReproduceReceipt) -> dict[str, tuple[str, ...]]:
    return {
        level.name: tuple(map(str, level.differences))
        for level in receipt.levels
        if level.verdict == "drifted"
    }


def a_key(platform: Platform) -> str:
    row = platform.connection.execute("SELECT min(user_id) FROM frozen.usage_agg_30d").fetchone()
    assert row is not None
    return str(row[0])


# ---- whatever comes after ------------------------------------------------------------


def test_the_first_version_is_the_same_after_a_month_a_correction_and_another_training(
    open_with: Callable[..., Platform], simulated_drops: Path, tmp_path: Path
) -> None:
    platform = open_with(trees=8)
    load(platform, simulated_drops / "month_000", JANUARY)
    run_id = train(platform, JANUARY).run_id
    load(platform, simulated_drops / "month_001", FEBRUARY)
    late = copy_drop(
        simulated_drops / "month_000",
        tmp_path / "corrected",
        usage_agg_30d={"skips_7d": (pl.col("skips_7d").cast(pl.Int64) + 1).cast(pl.String)},
        labels={
            "churn_label": pl.when(pl.col("churn_label") == "True")
            .then(pl.lit("False"))
            .otherwise(pl.lit("True"))
        },
    )
    load(platform, late, JANUARY)
    train(platform, FEBRUARY)
    before = database_digest(platform.connection)
    versions = platform.models.versions()
    for which in ("1", run_id, "2"):
        receipt = reproduce(platform, which)
        assert (receipt.result, drifted(receipt), receipt.tampered) == (IDENTICAL, {}, ())
    assert database_digest(platform.connection) == before
    assert platform.models.versions() == versions
    train(platform, JANUARY)
    assert reproduce(platform, "3").differences == ()
    assert reproduce(platform, "1").result == IDENTICAL


def test_another_business_has_it_too(open_with: Callable[..., Platform], tmp_path: Path) -> None:
    january, february = write_gym(tmp_path / "gym")
    catalog = tmp_path / "gym.toml"
    init([january], out=catalog)
    platform = open_with(catalog=catalog, trees=8, migrated=False)
    migrate(platform)
    load(platform, january, MONTHS[0])
    one_kind = replace(
        platform, settings=platform.settings.model_copy(update={"model": "baseline"})
    )  # the second version compares all kinds
    train(one_kind, MONTHS[0])
    load(platform, february, MONTHS[1])
    load(
        platform,
        copy_drop(january, tmp_path / "late", visits={"visits_30d": pl.lit("3")}),
        MONTHS[0],
    )
    with_lags = train(platform, MONTHS[1])
    for configured, which in ((one_kind, "1"), (platform, with_lags.run_id)):
        receipt = reproduce(configured, which)
        assert (receipt.result, drifted(receipt)) == (IDENTICAL, {})


# ---- each level alone, and each pair -------------------------------------------------


@pytest.fixture(scope="module")
def mutations(
    trained: Platform, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Said:
    """What `reproduce` says after each change: see support/mutations.py."""
    folder = tmp_path_factory.mktemp("mutations")
    copied = folder / "package"
    shutil.copytree(
        Path(streamflow.__file__).parent,
        copied / "streamflow",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    database = trained.login.database
    environment = {
        **os.environ,
        **cluster.variables(database, trained.settings.home),
        "STREAMFLOW_TREES": "8",
        "PYTHONPATH": f"{copied}{os.pathsep}{SUPPORT}",
    }
    done = run_forked(
        "support.mutations",
        "1",
        str(folder),
        trained.login.conninfo(),
        a_key(trained),
        environment=environment,
        package=copied,
    )
    assert done.returncode == 0, done.stderr
    said: Said = json.loads(done.stdout)
    return said


NAMED = {
    "data": "usage_agg_30d of 2024-01-31, revision 1, {key} skips_7d: ",
    "features": "usage_agg_30d_fv:watch_hours_30d ttl_days: 62 -> 40",
    "code": "core/training/split.py: ",
    "environment": "rich: ",
    "configuration": "trees: 8 -> 9 (",
}


@pytest.mark.parametrize(
    "changed",
    [(), *combinations(LEVELS, 1), *combinations(LEVELS, 2)],
    ids=lambda names: " and ".join(names) or "nothing",
)
def test_a_changed_level_is_named_and_no_other(
    mutations: Said, trained: Platform, changed: tuple[str, ...]
) -> None:
    said = mutations[" ".join(changed)]
    levels = said["levels"]
    assert isinstance(levels, dict)
    assert set(levels) == set(changed), said
    for name in changed:
        assert levels[name][1].startswith(NAMED[name].format(key=a_key(trained))), said
    assert said["result"] == ("differs" if "data" in changed else IDENTICAL)
    assert said["tampered"] == []


# ---- what changed in frozen rows -----------------------------------------------------


@pytest.fixture
def tampering(trained: Platform) -> Iterator[Tamper]:
    """Change a frozen table by SQL as its owner, reproduce, and put everything back."""
    tables = (
        "frozen.usage_agg_30d",
        "frozen.labels",
        "streamflow.revision",
        "streamflow.revision_column",
        "raw.usage_agg_30d",
    )
    for table in tables:
        administer(
            trained, f"CREATE TABLE public.{table.replace('.', '_')} AS SELECT * FROM {table}"
        )

    def change(*statements: str) -> dict[str, tuple[str, ...]]:
        for table in tables[:-1]:
            administer(trained, f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            administer(trained, statement)
        return drifted(reproduce(trained, "1"))

    yield change
    for table in tables:
        if not table.startswith("streamflow"):
            administer(
                trained,
                f"DELETE FROM {table}; INSERT INTO {table} SELECT *"
                f" FROM public.{table.replace('.', '_')}",
            )
    administer(
        trained,
        "UPDATE streamflow.revision r SET digest = s.digest, known_at = s.known_at"
        " FROM public.streamflow_revision s"
        " WHERE (r.table_name, r.as_of, r.revision) = (s.table_name, s.as_of, s.revision);"
        "UPDATE streamflow.revision_column r SET buckets = s.buckets"
        " FROM public.streamflow_revision_column s"
        " WHERE (r.table_name, r.as_of, r.revision,"
        " r.name) = (s.table_name, s.as_of, s.revision, s.name)",
    )
    for table in tables[:-1]:
        administer(trained, f"ALTER TABLE {table} ENABLE TRIGGER USER")
    for table in tables:
        administer(trained, f"DROP TABLE public.{table.replace('.', '_')}")
    assert drifted(reproduce(trained, "1")) == {}


USAGE = "usage_agg_30d of 2024-01-31, revision 1"
OTHERS = "the former value is not known, because the drop's raw rows have changed"


def test_a_changed_cell_is_named_with_the_value_that_was_frozen(
    trained: Platform, tampering: Tamper
) -> None:
    key = a_key(trained)
    row = trained.connection.execute(
        "SELECT skips_7d FROM frozen.usage_agg_30d WHERE user_id = %s", [key]
    ).fetchone()
    assert row is not None
    found = tampering(
        f"UPDATE frozen.usage_agg_30d SET skips_7d = skips_7d + 3 WHERE user_id = '{key}'"
    )
    assert found == {"data": (f"{USAGE}, {key} skips_7d: {row[0]} -> {row[0] + 3}",)}


def test_without_the_raw_rows_the_former_value_is_not_made_up(
    trained: Platform, tampering: Tamper
) -> None:
    key = a_key(trained)
    found = tampering(
        f"UPDATE frozen.usage_agg_30d SET skips_7d = 99 WHERE user_id = '{key}'",
        "UPDATE raw.usage_agg_30d SET watch_hours_30d = watch_hours_30d + 1",
    )
    assert found == {"data": (f"{USAGE}, {key} skips_7d: not known -> 99 ({OTHERS})",)}


def test_a_row_that_is_gone_and_one_that_was_never_frozen_are_named(
    trained: Platform, tampering: Tamper
) -> None:
    key = a_key(trained)
    columns = (
        "watch_hours_30d, avg_session_mins_7d, unique_devices_30d,"
        " skips_7d, rebuffer_events_7d, row_digest"
    )
    found = tampering(
        f"INSERT INTO frozen.usage_agg_30d (as_of, revision, user_id, {columns})"
        f" SELECT as_of, revision, 'new one', {columns}"
        f" FROM frozen.usage_agg_30d WHERE user_id = '{key}'",
        f"DELETE FROM frozen.usage_agg_30d WHERE user_id = '{key}'",
    )
    assert any(
        words.startswith(f"{USAGE}, {key}: frozen -> absent (the row is gone)")
        for words in found["data"]
    )
    assert any(
        words.startswith(f"{USAGE}, new one: absent -> frozen (the row was not frozen)")
        for words in found["data"]
    )


def test_digests_changed_with_the_rows_are_noticed_by_the_passport(
    trained: Platform, tampering: Tamper
) -> None:
    """A row with its own digest, and the digests that are stored with the revision.

    The passport holds the digest of each column.
    """
    key = a_key(trained)
    digest = "decode(repeat('00', 16), 'hex')"
    found = tampering(
        f"UPDATE frozen.usage_agg_30d SET skips_7d = 13, row_digest = {digest}"
        f" WHERE user_id = '{key}'"
    )
    assert found["data"][0].startswith(f"{USAGE}, {key} skips_7d: ")
    again = tampering(
        "UPDATE streamflow.revision_column SET buckets = decode(repeat('00', 32 * 256), 'hex')"
        " WHERE table_name = 'usage_agg_30d'",
        "UPDATE streamflow.revision SET digest = repeat('0', 64)"
        " WHERE table_name = 'usage_agg_30d'",
    )
    assert any(
        "its digest" in words and "in streamflow.revision" in words for words in again["data"]
    )
    assert any("skips_7d" in words for words in again["data"])


def test_a_changed_label_and_a_moved_instant_are_named(
    trained: Platform, tampering: Tamper
) -> None:
    key = a_key(trained)
    found = tampering(
        f"UPDATE frozen.labels SET churn_label = NOT churn_label WHERE user_id = '{key}'",
        "UPDATE streamflow.revision SET known_at = known_at - interval '1 second'"
        " WHERE table_name = 'usage_agg_30d'",
    )
    assert any(
        words.startswith(f"labels of 2024-01-31, revision 1, {key} churn_label: ")
        for words in found["data"]
    )
    assert any(words.startswith(f"{USAGE}, its known_at: ") for words in found["data"])


def test_a_revision_planted_before_k_is_named(trained: Platform) -> None:
    insert = (
        "INSERT INTO streamflow.revision SELECT table_name, as_of, 2, known_at, rows, digest"
        " FROM streamflow.revision"
        " WHERE table_name = 'usage_agg_30d'"
    )
    administer(trained, f"SET session_replication_role = replica; {insert}")
    receipt = reproduce(trained, "1")
    administer(
        trained,
        "ALTER TABLE streamflow.revision DISABLE TRIGGER frozen; DELETE"
        " FROM streamflow.revision WHERE revision = 2;"
        "ALTER TABLE streamflow.revision ENABLE TRIGGER frozen",
    )
    assert receipt.result == IDENTICAL
    assert len(drifted(receipt)["data"]) == 1
    assert drifted(receipt)["data"][0].endswith(": revision 1 -> revision 2")


# ---- what changed in the record of the version ---------------------------------------


def files_of(platform: Platform, name: str) -> list[Path]:
    return sorted(platform.home.joinpath("artifacts").rglob(name))


def test_a_changed_model_file_is_named(trained: Platform) -> None:
    (path,) = files_of(trained, "model.skops")
    before = path.read_bytes()
    path.write_bytes(before + b"\0")
    changed = reproduce(trained, "1")
    path.unlink()
    lost = reproduce(trained, "1")
    path.write_bytes(before)
    assert (changed.result, lost.result, changed.holds, lost.holds) == (
        IDENTICAL,
        IDENTICAL,
        False,
        False,
    )
    assert len(changed.tampered) == len(lost.tampered) == 1
    assert "the model file of version 1 was changed" in changed.tampered[0]
    assert "model.skops" in lost.tampered[0]
    assert drifted(changed) == drifted(lost) == {}


def test_changed_probabilities_are_named(trained: Platform) -> None:
    (path,) = files_of(trained, "holdout_probabilities.npy")
    before = path.read_bytes()
    path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    receipt = reproduce(trained, "1")
    path.write_bytes(before)
    assert receipt.tampered == (
        "the file holdout_probabilities.npy of version 1 is lost or was changed",
    )


def test_a_changed_passport_cannot_be_trusted(trained: Platform) -> None:
    (path,) = files_of(trained, "passport.json")
    before = path.read_bytes()
    path.write_bytes(before.replace(b'"value": 8', b'"value": 9'))
    with pytest.raises(NotRebuildable, match=r"its passport\.json was changed"):
        reproduce(trained, "1")
    path.unlink()
    with pytest.raises(NotRebuildable, match="its passport is lost"):
        reproduce(trained, "1")
    path.write_bytes(before)


@pytest.mark.parametrize(
    "tag",
    ["passport_digest", "model_digest", "content_digest", "threshold", "feature_service", "as_of"],
)
def test_a_changed_tag_is_named(trained: Platform, tag: str) -> None:
    version = trained.models.version(1)
    client = trained.models._client
    client.set_model_version_tag("streamflow_churn", "1", tag, "0.25")
    receipt = reproduce(trained, "1")
    client.set_model_version_tag("streamflow_churn", "1", tag, version.tags[tag])
    assert (receipt.result, receipt.holds) == (IDENTICAL, False)
    assert receipt.tampered == (
        f"the tag {tag} of version 1 was changed: it is 0.25,"
        f" the registered value is {version.tags[tag]}",
    )


def test_a_changed_row_of_ours_is_named(trained: Platform) -> None:
    off, on = (
        f"ALTER TABLE streamflow.passport {word} TRIGGER frozen" for word in ("DISABLE", "ENABLE")
    )
    digest = trained.models.version(1).tags["passport_digest"]
    administer(trained, f"{off}; UPDATE streamflow.passport SET digest = repeat('0', 64); {on}")
    with pytest.raises(NotRebuildable, match="the registered digest is 0000"):
        reproduce(trained, "1")
    administer(trained, f"{off}; UPDATE streamflow.passport SET digest = '{digest}'; {on}")


# ---- a result that is not quite the same ---------------------------------------------


@pytest.mark.parametrize(("apart", "said"), [(1e-14, WITHIN), (1e-9, UNEXPLAINED)])
def test_probabilities_within_the_declared_tolerance(
    open_with: Callable[..., Platform], simulated_drops: Path, apart: float, said: str
) -> None:
    """A version whose recorded probabilities are `apart` from what its training gives now.

    A different library could have this effect.
    """
    platform = open_with(trees=10)
    load(platform, simulated_drops / "month_000", JANUARY)
    rows = training_set(platform, JANUARY)
    fitted = fit(platform, rows)
    probability = fitted.probability.copy()
    probability[7] += apart
    certificate = certify(platform, rows)
    logged = register(
        platform,
        rows,
        replace(fitted, probability=probability),
        certificate,
        check_label_honesty(platform, rows),
        SystemSamples(),
    )
    receipt = reproduce(platform, logged.run_id)
    assert (receipt.result, drifted(receipt), receipt.tampered) == (said, {}, ())
    assert (
        receipt.differences[0]
        == "the predictions of the hold-out differ from the recorded predictions"
    )
    assert receipt.largest_difference == pytest.approx(apart, rel=0.1)


# ---- what cannot be made again -------------------------------------------------------


def test_after_a_forget_the_version_is_not_rebuildable_and_says_why(
    open_with: Callable[..., Platform], simulated_drops: Path
) -> None:
    platform = open_with(trees=8)
    load(platform, simulated_drops / "month_000", JANUARY)
    train(platform, JANUARY)
    forget(platform, a_key(platform), why="asked")
    with pytest.raises(
        NotRebuildable, match=r"data: \d+ values erased on request \(6 rows of 6 tables"
    ) as refused:
        reproduce(platform, "1")
    assert refused.value.exit_code == 4
    train(platform, JANUARY)
    assert reproduce(platform, "2").result == IDENTICAL


def test_a_missing_revision_an_unknown_version_and_one_of_others_are_named(
    trained: Platform,
) -> None:
    with pytest.raises(VersionMissing):
        reproduce(trained, "77")
    with pytest.raises(VersionMissing):
        reproduce(trained, "feedbeef")
    tables = "ALTER TABLE streamflow.{} {} TRIGGER ALL"
    for table in ("revision", "revision_column", "passport_source"):
        administer(trained, tables.format(table, "DISABLE"))
    administer(
        trained, "UPDATE streamflow.revision SET revision = 8 WHERE table_name = 'payments_agg_90d'"
    )
    with pytest.raises(
        NotRebuildable, match="data: payments_agg_90d of 2024-01-31, revision 1 is not frozen here"
    ):
        reproduce(trained, "1")
    administer(
        trained, "UPDATE streamflow.revision SET revision = 1 WHERE table_name = 'payments_agg_90d'"
    )
    for table in ("revision", "revision_column", "passport_source"):
        administer(trained, tables.format(table, "ENABLE"))


def test_the_command_says_it_with_its_exit_code(trained: Platform, cluster: Cluster) -> None:
    environment = {
        **cluster.variables(trained.login.database, trained.settings.home),
        "STREAMFLOW_TREES": "8",
    }
    done = called(trained.settings.home, "reproduce", "1", extra=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("[OK] identical: training set, keys, model and ")
    machine = called(trained.settings.home, "reproduce", "1", "--json", extra=environment)
    assert json.loads(machine.stdout)["result"] == IDENTICAL


# ---- what must not matter ------------------------------------------------------------


@pytest.mark.skipif(
    shutil.which("taskset") is None,
    reason="taskset of util-linux is not installed: the number of cores cannot be set",
)
@pytest.mark.parametrize("varied", variations(4, seed=11), ids=lambda v: str(v.number))
def test_a_rebuild_is_the_same_whatever_varies(
    trained: Platform, cluster: Cluster, tmp_path: Path, varied: Variation
) -> None:
    """The first four of the twenty in tests/proofs/test_reproduce.py."""
    lie_otherwise(trained.login.conninfo(), varied.order)
    environment = {
        **cluster.variables(trained.login.database, trained.settings.home),
        "STREAMFLOW_TREES": "8",
    }
    done = varied.run(tmp_path, "reproduce", "1", "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    receipt = json.loads(done.stdout)
    assert receipt["result"] == IDENTICAL
    assert [level["verdict"] for level in receipt["levels"]] == ["same"] * 5
