"""materialize: the newest drop becomes the live state of the online store; the prediction log gets its months ahead."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

from streamflow.features import materialize as live
from streamflow.features.materialize import MaterializedView
from streamflow.platform import Platform
from streamflow.warehouse.prediction_log_months import make_months


@dataclass(frozen=True, kw_only=True)
class MaterializeReceipt:
    """What is live now."""

    as_of: date
    views: tuple[MaterializedView, ...]


def materialize(platform: Platform) -> MaterializeReceipt:
    """Replace the live features by those of the newest frozen drop, all views in one transaction.

    Raises SnapshotMissing when nothing is frozen.
    """
    services, repository = platform.services(), platform.features
    with ThreadPoolExecutor(max_workers=1) as pool:
        filled = pool.submit(
            live.materialize, platform.connection, platform.catalog, services=services
        )
        repository.open()  # importing Feast takes seconds: PostgreSQL works meanwhile
        views = filled.result()
    repository.record(views)
    for words in make_months(platform.connection):
        platform.notify(words)
    return MaterializeReceipt(as_of=views[0].as_of.date(), views=tuple(views))
