"""The evidence of a retraining: what its digest covers, and the version that was trained on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from streamflow.core.training.training_set import Source
from streamflow.errors import NotRebuildable
from streamflow.platform import Platform
from streamflow.steps.training.training_set import select_revisions
from streamflow.steps.versions.recorded_version import find_recorded_version
from streamflow.warehouse import frozen
from streamflow.warehouse.frozen import Revision
from streamflow.warehouse.known_drops import TrainingDrops
from streamflow.warehouse.retraining import Retraining


def digest_evidence(platform: Platform, drops_of_months: list[TrainingDrops]) -> tuple[str, int]:
    """Return the digest that names the evidence, and the number of labels of the newest month."""
    revisions_of_months = []
    for drops in drops_of_months:
        newest = frozen.revisions(platform.connection, known_at=drops.known_at)
        needed = select_revisions(platform.catalog, newest, drops.as_of, drops.label_as_of)
        revisions_of_months.append(needed)
    label_table = platform.catalog.label.table
    labels = sum(
        revision.rows
        for revision in needed
        if revision.table == label_table and revision.as_of == drops.label_as_of
    )
    data = _list_data(revisions_of_months)
    configuration = {
        name: setting["value"] for name, setting in platform.settings.semantic_values.items()
    }
    service = platform.catalog.service
    digest = _digest_of(drops.as_of, drops.label_as_of, data, service, configuration)
    return digest, labels


def find_trained_version(platform: Platform, start: Retraining) -> int | None:
    """Find the newest version that was trained on this evidence; None when there is none.

    An interrupted run can have trained it, or a person with `train`.
    """
    tags = {"as_of": f"{start.as_of:%Y-%m-%d}", "feature_service": platform.catalog.service}
    for candidate in platform.models.versions():
        has_tags = tags.items() <= dict(candidate.tags).items()
        if has_tags and _is_trained_on(platform, candidate.version, start.evidence_digest):
            return candidate.version
    return None


def _is_trained_on(platform: Platform, version: int, evidence_digest: str) -> bool:
    """Return whether the passport of a version names exactly this evidence."""
    try:
        passport = find_recorded_version(platform, str(version)).passport
    except NotRebuildable:
        # A version whose passport cannot be read is not relied on: a new version is trained.
        return False
    data = _list_data([month.sources for month in passport.months])
    service = passport.features["service"]
    digest = _digest_of(passport.as_of, passport.label_as_of, data, service, passport.settings)
    return evidence_digest == digest


def _list_data(revisions_of_months: Sequence[Sequence[Revision | Source]]) -> list[Any]:
    """Return table, as_of and digest of each revision; of many months a list for each month."""
    lists = [
        sorted([revision.table, revision.as_of.isoformat(), revision.digest] for revision in month)
        for month in revisions_of_months
    ]
    return lists if len(lists) > 1 else lists[0]


def _digest_of(*values: Any) -> str:
    """Return the SHA-256 digest of the values as canonical JSON."""
    text = json.dumps(values, sort_keys=True, default=datetime.isoformat)
    return sha256(text.encode()).hexdigest()
