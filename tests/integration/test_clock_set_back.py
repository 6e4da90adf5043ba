"""The database's own clock is set back: order and content stay right, and `doctor` says it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from conftest import Cluster
from support.chain import JANUARY, NOW, copy_drop
from support.database_clock import install_clock, set_clock
from support.forgetting import tables_that_mention
from support.states import JANUARY_SERVED, in_state

from streamflow.platform import Platform, open_platform
from streamflow.steps.data.forget import forget
from streamflow.steps.data.ingest import ingest
from streamflow.steps.data.materialize import materialize
from streamflow.steps.data.snapshot import snapshot
from streamflow.steps.promotion.promote import promote
from streamflow.steps.serving.predict import predict
from streamflow.steps.stages.ledger import verify_ledger
from streamflow.steps.training.training_set import training_set
from streamflow.steps.upkeep.doctor.contents import check_forgotten_keys
from streamflow.steps.upkeep.doctor.server import check_clock
from streamflow.warehouse import frozen, ledger

KEY = "7590-VHVEG"


@pytest.fixture
def served(cluster: Cluster, simulated_drops: Path, tmp_path: Path) -> Iterator[Platform]:
    """January is live; version 1 of it is in Production. The clock can be set."""
    with in_state(cluster, JANUARY_SERVED, simulated_drops, tmp_path / "home") as prepared:
        install_clock(prepared)
        with open_platform(prepared.settings) as platform:
            yield platform


@pytest.fixture
def corrected(simulated_drops: Path, tmp_path: Path) -> Path:
    fees = {"monthly_fee": pl.lit("31.5")}
    return copy_drop(simulated_drops / "month_000", tmp_path / "corrected", subscriptions=fees)


@pytest.mark.parametrize("back", [timedelta(hours=3), timedelta(days=40)])
def test_a_clock_that_was_set_back_changes_no_order(
    served: Platform, corrected: Path, back: timedelta
) -> None:
    first_known_at = max(r.known_at for r in frozen.all_revisions(served.connection))
    predict(served, KEY, now=NOW)
    set_clock(served, -back)
    ingest(served, corrected, JANUARY)
    assert [table.table for table in snapshot(served, JANUARY).tables if table.created] == [
        "subscriptions"
    ]
    revisions = frozen.all_revisions(served.connection)
    newest = max(revisions, key=lambda revision: revision.known_at)
    assert (newest.table, newest.revision) == ("subscriptions", 2)
    assert [view.rows for view in materialize(served).views] == [400] * 4
    live = served.connection.execute("SELECT DISTINCT monthly_fee FROM online.subs_profile_fv")
    assert live.fetchall() == [(31.5,)]
    fees = training_set(served, JANUARY).frame["monthly_fee"]
    assert fees.unique().to_list() == [31.5]
    earlier = training_set(served, JANUARY, known_at=first_known_at).frame["monthly_fee"]
    assert earlier.n_unique() > 1
    _require_order_of_ledger(served)
    _require_erasure(served)
    finding = check_clock(served, lambda: datetime.now(UTC))
    assert finding.is_wrong
    assert f"{back.total_seconds():.1f} s from the database's" in finding.text
    assert "is ahead of it" in finding.text


def _require_order_of_ledger(platform: Platform) -> None:
    for stage in ("staging", "production"):
        promote(platform, 1, to=stage, force=True, why="after the clock was set back")
    entries = ledger.entries(platform.connection)
    instants = [entry.at for entry in entries]
    assert instants == sorted(set(instants))
    assert entries[-1].why == "after the clock was set back"
    assert verify_ledger(platform).broken is None


def _require_erasure(platform: Platform) -> None:
    """An answer from before and one from after the clock was set back are erased."""
    predict(platform, KEY, now=NOW)
    receipt = forget(platform, KEY, why="a request")
    assert receipt.rows["streamflow.prediction_log"] == 2
    assert tables_that_mention(platform, KEY) == []
    assert not check_forgotten_keys(platform).is_wrong
