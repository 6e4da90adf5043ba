"""prune: what no registered version needs goes, and nothing that a passport names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import polars as pl
import psycopg
import pytest
from conftest import Cluster
from psycopg.types.json import Jsonb
from support.chain import FEBRUARY, JANUARY, copy_drop, database_digest, load
from support.states import SCORED, in_state

from streamflow.errors import SnapshotMissing
from streamflow.models.system_metrics import SystemSamples
from streamflow.platform import Platform, open_platform
from streamflow.steps.serving.at_risk import RiskFilter, list_at_risk
from streamflow.steps.serving.score import score
from streamflow.steps.training import train as training
from streamflow.steps.training.train import train
from streamflow.steps.training.training_set import training_set
from streamflow.steps.upkeep.prune import PruneReceipt, prune
from streamflow.steps.versions.rebuild_verdict import IDENTICAL
from streamflow.steps.versions.reproduce import reproduce
from streamflow.warehouse import frozen, retention


def corrected(drop: Path, to: Path, skips: int) -> Path:
    return copy_drop(drop, to, usage_agg_30d={"skips_7d": pl.lit(str(skips))})


@pytest.fixture(scope="module")
def lived(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """January with two corrections: version 1 is of the first content, version 2 of the third.

    February has version 3.

    The tests go on from there in their order.
    """
    name, folder = f"sf_prune_{uuid4().hex[:12]}", tmp_path_factory.mktemp("prune")
    cluster.clone(name)
    with open_platform(cluster.settings(name, folder / "home", trees=5)) as platform:
        load(platform, simulated_drops / "month_000", JANUARY)
        train(platform, JANUARY)
        for number in (1, 2):
            load(
                platform,
                corrected(simulated_drops / "month_000", folder / f"late{number}", number),
                JANUARY,
            )
        train(platform, JANUARY)
        load(platform, simulated_drops / "month_001", FEBRUARY)
        train(platform, FEBRUARY)
        yield platform
    cluster.drop(name)


def usage(platform: Platform) -> list[tuple[str, int]]:
    revisions = frozen.all_revisions(platform.connection)
    return [(f"{r.as_of:%m}", r.revision) for r in revisions if r.table == "usage_agg_30d"]


def places(receipt: PruneReceipt) -> list[tuple[str, str, int]]:
    return [(r.table, f"{r.as_of:%m}", r.revision) for r in receipt.revisions]


def files(platform: Platform) -> int:
    return sum(path.is_file() for path in platform.home.joinpath("artifacts").rglob("*"))


def test_the_database_itself_refuses_what_a_passport_names(lived: Platform) -> None:
    with lived.maintenance_connection() as connection, connection.transaction(force_rollback=True):
        connection.execute(
            "DELETE FROM streamflow.revision_column WHERE as_of < '2024-02-01' AND revision = 1"
        )
        with (
            pytest.raises(psycopg.errors.ForeignKeyViolation, match="passport_source"),
            connection.transaction(),
        ):
            connection.execute(
                "DELETE FROM streamflow.revision WHERE as_of < '2024-02-01' AND revision = 1"
            )


def test_a_passport_without_sources_keeps_all_that_was_known_when_it_was_made(
    lived: Platform,
) -> None:
    """As versions of schema 1 have them: which revisions they need is not known."""
    with psycopg.connect(lived.login.conninfo(), autocommit=True) as owner:
        owner.execute(
            "CREATE TABLE public.kept AS SELECT * FROM streamflow.passport_source"
            " WHERE run_id = (SELECT run_id FROM streamflow.passport WHERE version = 2);"
            "ALTER TABLE streamflow.passport_source DISABLE TRIGGER frozen; DELETE"
            " FROM streamflow.passport_source"
            " WHERE run_id = (SELECT run_id FROM streamflow.passport WHERE version = 2);"
            "ALTER TABLE streamflow.passport_source ENABLE TRIGGER frozen"
        )
        planned = prune(lived, dry_run=True)
        owner.execute(
            "INSERT INTO streamflow.passport_source SELECT *"
            " FROM public.kept; DROP TABLE public.kept"
        )
    assert places(planned) == []


def test_what_nobody_needs_goes_and_every_version_is_still_made_again(lived: Platform) -> None:
    assert usage(lived) == [("01", 1), ("01", 2), ("01", 3), ("02", 1)]
    before, there = database_digest(lived.connection), files(lived)
    planned = prune(lived, dry_run=True)
    assert (places(planned), planned.passports, planned.runs) == (
        [("usage_agg_30d", "01", 2)],
        0,
        (),
    )
    assert (database_digest(lived.connection), files(lived)) == (before, there)
    done = prune(lived)
    assert (places(done), done.rows, done.revisions_kept) == (
        places(planned),
        400,
        planned.revisions_kept,
    )
    assert usage(lived) == [("01", 1), ("01", 3), ("02", 1)]
    left = lived.connection.execute(
        "SELECT count(DISTINCT revision) FROM frozen.usage_agg_30d WHERE as_of < '2024-02-01'"
    )
    assert left.fetchone() == (2,)
    for number in ("1", "2", "3"):
        assert reproduce(lived, number).result == IDENTICAL
    when = done.revisions[0].known_at
    training_set(lived, JANUARY, known_at=when - timedelta(microseconds=1))
    with pytest.raises(
        SnapshotMissing,
        match="usage_agg_30d of 2024-01-31, revision 2, the newest revision known at",
    ):
        training_set(lived, JANUARY, known_at=when)  # not the first revision in its place
    assert places(prune(lived)) == []
    assert files(lived) == there


def test_a_version_that_was_deleted_takes_its_files_and_its_revision_with_it(
    lived: Platform,
) -> None:
    client = lived.models._client
    run_id = lived.models.version(1).run_id
    theirs = client.create_run(
        client.get_run(run_id).info.experiment_id, run_name="somebody else's"
    )
    client.log_dict(theirs.info.run_id, {"a": 1}, "a.json")
    client.set_terminated(theirs.info.run_id)
    there = files(lived)
    client.delete_model_version("streamflow_churn", "1")
    planned = prune(lived, dry_run=True)
    assert files(lived) == there
    done = prune(lived)
    assert [run.run_id for run in done.runs] == [run.run_id for run in planned.runs] == [run_id]
    assert places(done) == [("usage_agg_30d", "01", 1)]
    assert (done.passports, done.bytes > 10_000) == (1, True)
    assert usage(lived) == [("01", 3), ("02", 1)]
    assert files(lived) < there
    assert not list(lived.home.joinpath("artifacts").rglob(f"{run_id}/artifacts/*"))
    assert len(list(lived.home.joinpath("artifacts").rglob("model.skops"))) == 2
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    assert client.get_run(theirs.info.run_id).info.lifecycle_stage == "active"
    assert len(list(lived.home.joinpath("artifacts").rglob("a.json"))) == 1
    assert [reproduce(lived, number).result for number in ("2", "3")] == [IDENTICAL] * 2
    again = prune(lived)
    assert (places(again), again.passports, again.runs) == ([], 0, ())


def test_a_version_registered_under_another_name_keeps_its_run(lived: Platform) -> None:
    client = lived.models._client
    version = client.get_model_version("streamflow_churn", "3")
    client.create_registered_model("other_name")
    client.create_model_version(
        "other_name", version.source, version.run_id, model_id=version.model_id
    )
    client.delete_model_version("streamflow_churn", "3")
    assert prune(lived, dry_run=True).runs == ()


def test_a_training_whose_revision_was_pruned_meanwhile_leaves_no_version(
    open_with: Callable[..., Platform], simulated_drops: Path, tmp_path: Path
) -> None:
    """It has read January; then January is corrected and what it has read is pruned."""
    platform = open_with(trees=5)
    load(platform, simulated_drops / "month_000", JANUARY)
    rows = training_set(platform, JANUARY)
    fitted, certificate = training.fit(platform, rows), training.certify(platform, rows)
    honesty = training.check_label_honesty(platform, rows)
    load(platform, corrected(simulated_drops / "month_000", tmp_path / "late", 1), JANUARY)
    assert places(prune(platform)) == [("usage_agg_30d", "01", 1)]
    with pytest.raises(SnapshotMissing, match="a revision that was read no longer exists"):
        training.register(platform, rows, fitted, certificate, honesty, SystemSamples())
    assert platform.models.versions() == []
    (run,) = prune(platform).runs
    assert run.status == "FAILED"
    assert not list(platform.home.joinpath("artifacts").rglob("model.skops"))


def test_another_mlflow_is_no_proof_that_versions_were_deleted(lived: Platform) -> None:
    """Its registry is empty: everything would look as if nothing needed it."""
    left = usage(lived)
    with psycopg.connect(lived.login.conninfo(), autocommit=True) as owner:
        owner.execute(
            "INSERT INTO streamflow.passport (run_id, model, version, digest)"
            " VALUES ('elsewhere', 'm', 9, 'd')"
        )
    receipt = prune(lived)
    assert (receipt.unknown, receipt.passports, usage(lived)) == (1, 0, left)


def test_a_revision_that_an_old_month_knew_is_not_replaced_by_a_different_one(
    open_with: Callable[..., Platform], simulated_drops: Path, tmp_path: Path
) -> None:
    """January is corrected after February came, and then the users of February, too."""
    platform = open_with(trees=5)
    january, february = simulated_drops / "month_000", simulated_drops / "month_001"
    load(platform, january, JANUARY)
    known_at = load(platform, february, FEBRUARY).known_at
    load(platform, corrected(january, tmp_path / "january", 1), JANUARY)
    senior = {"user_is_senior": pl.lit("False")}
    load(platform, copy_drop(february, tmp_path / "february", users=senior), FEBRUARY)
    assert places(prune(platform)) == [("usage_agg_30d", "01", 1), ("users", "02", 1)]
    with pytest.raises(SnapshotMissing, match="usage_agg_30d of 2024-01-31, revision 1, .* pruned"):
        training_set(platform, FEBRUARY, months=2)
    assert not training_set(platform, FEBRUARY).earlier
    # The users of February were known then: February still dates the labels of January.
    with pytest.raises(SnapshotMissing, match="users of 2024-02-29, revision 1, .* pruned"):
        training_set(platform, FEBRUARY, known_at=known_at)
    with pytest.raises(SnapshotMissing, match="usage_agg_30d of 2024-01-31, revision 1, .* pruned"):
        training_set(platform, JANUARY, label_lead=1, known_at=known_at)


def test_the_newest_list_keeps_its_segments_until_its_drop_is_scored_again(
    cluster: Cluster, simulated_drops: Path, tmp_path: Path
) -> None:
    """Scored, corrected, pruned: the list is that of the rows that were scored."""
    chosen = RiskFilter(segments={"contract_type": "Two year"})
    correction = copy_drop(
        simulated_drops / "month_001",
        tmp_path / "correction",
        subscriptions={"contract_type": pl.lit("One year")},
    )
    with in_state(cluster, SCORED, simulated_drops, tmp_path / "home") as platform:
        scored_list = list_at_risk(platform, chosen)
        assert scored_list.users
        load(platform, correction, FEBRUARY)
        # A run that is deleted together with the revisions does not count as the newest one.
        with platform.connection.transaction(force_rollback=True):
            ((number,),) = platform.connection.execute(
                "INSERT INTO streamflow.score_run SELECT (jsonb_populate_record(r, %s)).*"
                " FROM streamflow.score_run r ORDER BY id DESC LIMIT 1 RETURNING id",
                [Jsonb({"id": 99, "as_of": "2024-03-31", "evidence_digest": "of March"})],
            ).fetchall()
            assert retention.superseded_revisions(platform.connection, [], [number]) == []
        assert places(prune(platform)) == []
        assert list_at_risk(platform, chosen).users == scored_list.users
        assert score(platform, FEBRUARY, explain=True).new
        assert ("subscriptions", "02", 1) in places(prune(platform))
        assert list_at_risk(platform, chosen).users == ()
        assert list_at_risk(platform, RiskFilter()).users[0].segments["contract_type"] == "One year"
