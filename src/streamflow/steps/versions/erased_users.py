"""What was erased on request of the rows that a version was trained on: the one thing that may be missing of them."""

from __future__ import annotations

from streamflow.core.versions.passport import Passport
from streamflow.platform import Platform
from streamflow.steps.data.snapshot import damaged
from streamflow.steps.versions.recorded_version import require_frozen
from streamflow.warehouse.change_evidence import erased_since


def erased_users(platform: Platform, passport: Passport) -> int:
    """How many users were erased of a passport's rows, where nothing else became of them; else 0.

    Tombstones lead from the digest of each revision in the passport to the one that it has now, and its rows have that.
    Raises NotRebuildable when a revision is gone.
    """
    there = require_frozen(platform, passport.sources)
    erasures = [
        (erased_since(platform.connection, source), there[source.place])
        for source in passport.sources
    ]
    if not any(erasure.rows for erasure, _ in erasures) or any(
        erasure.digest != now.digest for erasure, now in erasures
    ):
        return 0
    touched = [now for erasure, now in erasures if erasure.rows]
    key = platform.catalog.entity.key
    return (
        0
        if damaged(platform, touched, key)
        else max(erasure.rows for erasure, _ in erasures)
    )
