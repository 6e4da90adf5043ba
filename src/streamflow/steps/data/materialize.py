"""materialize: make the newest frozen drop the live state of the online store.

It also creates the next months of the prediction log ahead of time.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial

from streamflow.features import materialize as online_store
from streamflow.features.materialize import MaterializedView
from streamflow.platform import Platform
from streamflow.receipt import Receipt
from streamflow.steps.data.frozen_checks import require_intact
from streamflow.steps.data.loaded_rows import load, require_loaded
from streamflow.steps.observed import observed
from streamflow.warehouse import frozen
from streamflow.warehouse.frozen import RevisionKey
from streamflow.warehouse.prediction_log_months import create_months

UNCHANGED = "The live features are unchanged."


@dataclass(frozen=True, kw_only=True)
class MaterializeReceipt(Receipt):
    """The drop whose features are live now, and its views."""

    as_of: date
    views: tuple[MaterializedView, ...]


@observed("materialize")
def materialize(platform: Platform) -> MaterializeReceipt:
    """Replace the live features by those of the newest frozen drop, all views in one transaction.

    Raises:
        SnapshotMissing: nothing is frozen yet.
        SnapshotDamaged: the frozen rows are not the recorded ones.
    """
    services = platform.read_services()
    repository = platform.features
    load(
        platform,
        online_store.find_revisions(platform.connection, platform.catalog, services),
    )
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending_views = pool.submit(
            online_store.materialize,
            platform.connection,
            platform.catalog,
            services=services,
            verify=partial(_verify, platform),
        )
        repository.open()  # it imports Feast for seconds, while PostgreSQL works
        views = pending_views.result()
    repository.record_materialization(views)
    for message in create_months(platform.connection):
        platform.notify(message)
    return MaterializeReceipt(as_of=views[0].as_of.date(), views=tuple(views))


def _verify(platform: Platform, revision_keys: Iterable[RevisionKey]) -> None:
    """Hold the frozen rows of some revisions against their digests."""
    revisions = frozen.revisions_by_key(platform.connection)
    read_revisions = [revisions[key] for key in revision_keys]
    keys = [revision.revision_key for revision in read_revisions]
    require_loaded(platform, keys, state=UNCHANGED)
    require_intact(platform, read_revisions, state=UNCHANGED)
