"""materialize: make the newest frozen drop the live state of the online store.

It also creates the next months of the prediction log ahead of time.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

from streamflow.features import materialize as online_store
from streamflow.features.materialize import MaterializedView
from streamflow.platform import Platform
from streamflow.warehouse.prediction_log_months import create_months


@dataclass(frozen=True, kw_only=True)
class MaterializeReceipt:
    """The drop whose features are live now, and its views."""

    as_of: date
    views: tuple[MaterializedView, ...]


def materialize(platform: Platform) -> MaterializeReceipt:
    """Replace the live features by those of the newest frozen drop, all views in one transaction.

    Raises:
        SnapshotMissing: nothing is frozen yet.
    """
    services = platform.read_services()
    repository = platform.features
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending_views = pool.submit(
            online_store.materialize,
            platform.connection,
            platform.catalog,
            services=services,
        )
        repository.open()  # it imports Feast for seconds, while PostgreSQL works
        views = pending_views.result()
    repository.record_materialization(views)
    for message in create_months(platform.connection):
        platform.notify(message)
    return MaterializeReceipt(as_of=views[0].as_of.date(), views=tuple(views))
