"""retrain: train on the newest labelled drop and let the gate decide; never twice on the same evidence.

The evidence is data, features and configuration: the digest of each revision that would be read, the feature service, the
semantic settings. Each state is entered when it is reached: after a kill the next run goes on from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

from streamflow.core.data.instants import instant
from streamflow.core.training.training_set import label_as_of
from streamflow.errors import LabelsMissing, NotRebuildable, SnapshotMissing
from streamflow.platform import Platform
from streamflow.steps.monitoring.monitor import monitor
from streamflow.steps.promotion.promote import PromoteReceipt, promote
from streamflow.steps.promotion.unseen_users import newest_labelled
from streamflow.steps.stages.transitions import served
from streamflow.steps.training.train import TrainReceipt, train
from streamflow.steps.training.training_set import Drops, revisions_read
from streamflow.steps.versions.recorded_version import recorded
from streamflow.warehouse import frozen, retraining
from streamflow.warehouse.retraining import Retraining


@dataclass(frozen=True, kw_only=True)
class RetrainReceipt:
    """What came of it.

    decision   promoted, refused or skipped      why    in words
    version    that was judged; None when skipped before one was trained
    resumed    whether an earlier run that was interrupted was gone on with
    trained, promotion   the receipts of the parts that were done now
    """

    model: str
    as_of: date
    label_as_of: date
    decision: str
    why: str
    version: int | None
    evidence_digest: str
    resumed: bool = False
    trained: TrainReceipt | None = None
    promotion: PromoteReceipt | None = None


def retrain(
    platform: Platform,
    as_of: date | None = None,
    *,
    label_lead: int = 0,
    why: str = "asked for",
    force: bool = False,
    on_verdict: bool = False,
    notify: Callable[[str], None] = lambda _: None,
) -> RetrainReceipt:
    """Train on `as_of`, without it the newest labelled drop, and promote the version if the gate lets it.

    Skipped: on evidence that was decided before, while another one is at work, in the cool-down, with too few labels, and, if
    `on_verdict`, when `monitor` finds nothing on that drop; `force` overrules the cool-down alone. Raises what `train` and
    `promote` raise; what was reached stays entered.
    """
    when = (
        newest_labelled(platform, label_lead)
        if as_of is None
        else _drops(platform, as_of, label_lead)
    )
    with retraining.alone(platform.connection) as free:
        digest, labels = _evidence(platform, when)
        begun = retraining.latest(platform.connection, platform.catalog.model, digest)
        told = Retraining(
            model=platform.catalog.model,
            evidence_digest=digest,
            as_of=when.as_of,
            label_as_of=when.label_as_of,
            state="started",
            version=None,
            why=why,
        )
        if not free:
            return _skipped(told, "another retraining is at work")
        if begun is not None and begun.is_decided:
            at = f"{begun.at:%Y-%m-%d %H:%M}"
            return _skipped(
                told,
                f"version {begun.version} of the same data, features and configuration was {begun.state} {at}",
            )
        if begun is None and (reason := _reason_to_wait(platform, labels, force)):
            return _skipped(told, reason)
        if begun is None and on_verdict:
            reasons = _fires(platform, when, notify)
            if not reasons:
                return _skipped(told, "monitor finds nothing on this drop")
            told = replace(told, why="; ".join(reasons))
        return _go_on(platform, told, begun, when, notify)


def _drops(platform: Platform, as_of: date, lead: int) -> Drops:
    """The drop that was asked for. Raises SnapshotMissing, LabelsMissing."""
    at, k = instant(as_of), frozen.known_now(platform.connection)
    drops = [
        r.as_of
        for r in frozen.revisions(
            platform.connection, known_at=k, table=platform.catalog.entity.table
        )
    ]
    if at not in drops:
        raise SnapshotMissing(
            f"no snapshot of {as_of} is frozen; frozen are: {', '.join(f'{d:%Y-%m-%d}' for d in drops) or 'none'}"
        )
    label_at = label_as_of(at, lead, drops)
    if label_at is None:
        raise LabelsMissing(
            f"the labels of {as_of} are in the drop number {lead} after it, which is not frozen"
        )
    return Drops(as_of=at, label_as_of=label_at, label_lead=lead, known_at=k)


def _evidence(platform: Platform, when: Drops) -> tuple[str, int]:
    """What names the evidence, and how many labels there are."""
    newest = frozen.revisions(platform.connection, known_at=when.known_at)
    read = revisions_read(platform.catalog, newest, when.as_of, when.label_as_of)
    table = platform.catalog.label.table
    labels = sum(r.rows for r in read if r.table == table and r.as_of == when.label_as_of)
    data = sorted([r.table, r.as_of.isoformat(), r.digest] for r in read)
    configuration = {
        name: setting["value"] for name, setting in platform.settings.semantic_values.items()
    }
    return _digest(
        when.as_of, when.label_as_of, data, platform.catalog.service, configuration
    ), labels


def _reason_to_wait(platform: Platform, labels: int, force: bool) -> str:
    """Why not now; empty when there is no reason."""
    settings = platform.settings
    if labels < settings.retrain_min_labels:
        return f"there are {labels:,} labels, needed are {settings.retrain_min_labels:,} (retrain_min_labels)"
    cooldown = timedelta(hours=settings.retrain_cooldown_hours)
    until = retraining.rests_until(platform.connection, platform.catalog.model, cooldown)
    if until is not None and not force:
        return f"the cool-down after the last one ends {until:%Y-%m-%d %H:%M} UTC (retrain_cooldown_hours)"
    return ""


def _fires(platform: Platform, when: Drops, notify: Callable[[str], None]) -> tuple[str, ...]:
    """Why the version in Production should be replaced, by the report on this drop; none when it should not."""
    if served(platform) is None:
        return ("no version is in Production",)
    found = monitor(platform, when.as_of.date())
    return found.reasons if found.fires else ()


def _go_on(
    platform: Platform,
    told: Retraining,
    begun: Retraining | None,
    when: Drops,
    notify: Callable[[str], None],
) -> RetrainReceipt:
    """Do what has not been done yet."""
    connection, trained = platform.connection, None
    if begun is None:
        retraining.enter(connection, told)
    version = _made_of(platform, told)
    if version is None:
        trained = train(
            platform,
            when.as_of.date(),
            label_lead=when.label_lead,
            known_at=when.known_at,
        )
        version = trained.version
    if begun is None or (begun.state, begun.version) != ("trained", version):
        retraining.enter(connection, replace(told, state="trained", version=version))
    promotion = promote(platform, version, why=f"retrain: {told.why}", notify=notify)
    decision = "refused" if promotion.refused else "promoted"
    retraining.enter(
        connection,
        replace(told, state="refused" if promotion.refused else "promoted", version=version),
    )
    return RetrainReceipt(
        model=told.model,
        as_of=told.as_of.date(),
        label_as_of=told.label_as_of.date(),
        decision=decision,
        why=told.why,
        version=version,
        evidence_digest=told.evidence_digest,
        resumed=begun is not None,
        trained=trained,
        promotion=promotion,
    )


def _made_of(platform: Platform, told: Retraining) -> int | None:
    """The newest version that was trained on this evidence: by an interrupted run, or by hand."""
    tags = {"as_of": f"{told.as_of:%Y-%m-%d}", "feature_service": platform.catalog.service}
    for found in platform.models.versions():
        if tags.items() <= dict(found.tags).items() and _is_of(
            platform, found.version, told.evidence_digest
        ):
            return found.version
    return None


def _is_of(platform: Platform, version: int, evidence_digest: str) -> bool:
    try:
        passport = recorded(platform, str(version)).passport
    except NotRebuildable:
        return False  # what cannot be read is not relied on: another version is trained
    data = sorted([s.table, s.as_of.isoformat(), s.digest] for s in passport.sources)
    return evidence_digest == _digest(
        passport.as_of, passport.label_as_of, data, passport.features["service"], passport.settings
    )


def _digest(*what: Any) -> str:
    return sha256(json.dumps(what, sort_keys=True, default=datetime.isoformat).encode()).hexdigest()


def _skipped(told: Retraining, why: str) -> RetrainReceipt:
    return RetrainReceipt(
        model=told.model,
        as_of=told.as_of.date(),
        label_as_of=told.label_as_of.date(),
        decision="skipped",
        why=why,
        version=None,
        evidence_digest=told.evidence_digest,
    )
