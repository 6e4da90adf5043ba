"""retrain: train on the newest labelled drop and let the gate decide, once for each evidence.

The evidence is the data, the features and the configuration: the digest of each revision that the
training would read, the feature service, and the semantic settings. Each state of a retraining is
entered into the database when it is reached. After a kill, the next run continues from there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from streamflow.core.data.counts import choose_form, count_of
from streamflow.errors import LabelsMissing, SnapshotMissing
from streamflow.platform import Platform
from streamflow.steps.monitoring.monitor import monitor
from streamflow.steps.observed import observed
from streamflow.steps.promotion.promote import PromoteReceipt, promote
from streamflow.steps.promotion.retrain_evidence import digest_evidence, find_trained_version
from streamflow.steps.promotion.unseen_users import find_newest_labelled_drop
from streamflow.steps.stages.requester import COMMAND_LINE, Requester
from streamflow.steps.stages.transitions import version_in_stage
from streamflow.steps.training.months import find_months
from streamflow.steps.training.train import TrainReceipt, train
from streamflow.warehouse import retraining
from streamflow.warehouse.known_drops import TrainingDrops, read_known_drops
from streamflow.warehouse.retraining import Retraining


@dataclass(frozen=True, kw_only=True)
class RetrainReceipt:
    """The outcome of a retraining.

    Attributes:
        decision: "promoted", "refused" or "skipped".
        why: The reason, in words.
        version: The version that was judged; None when the step skipped before training one.
        resumed: Whether this run continued an earlier run that was interrupted.
        trained: The receipt of the training, if this run trained a version.
        promotion: The receipt of the promotion, if this run reached it.
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


@observed("retrain")
def retrain(
    platform: Platform,
    as_of: datetime | None = None,
    *,
    label_lead: int = 0,
    why: str = "asked for",
    force: bool = False,
    on_verdict: bool = False,
    months: int = 1,
    requester: Requester = COMMAND_LINE,
) -> RetrainReceipt:
    """Train a version on a drop and promote it if the gate allows it.

    The step skips when this evidence was decided before, when a different retraining is at work,
    during the cool-down, when there are too few labels, and, with `on_verdict`, when `monitor`
    finds nothing on that drop. It raises what `train` and `promote` raise.

    Args:
        as_of: The drop to train on; without it, the newest drop that has labels.
        label_lead: The number of drops between features and label.
        force: Do not wait for the end of the cool-down. `force` overrules nothing else.
        on_verdict: Retrain only if the monitoring report on the drop asks for it.
        months: Train on this many labelled drops, up to that of `as_of`.
        requester: Who asks, for the ledger.
    """
    drops = _find_drops(platform, as_of, label_lead)
    known_drops = read_known_drops(platform.connection, platform.catalog, known_at=drops.known_at)
    drops_of_months = find_months(platform, known_drops, drops, months)
    with retraining.try_lock_retraining(platform.connection) as is_alone:
        digest, labels = digest_evidence(platform, drops_of_months)
        reached = retraining.latest_state(platform.connection, platform.catalog.model, digest)
        start = _first_state(platform, drops, digest, why)
        if not is_alone:
            return _skip(start, "a different retraining is at work")
        if reached is not None:
            return _resume(platform, start, reached, drops_of_months, requester)
        if reason := _find_reason_to_wait(platform, labels, force):
            return _skip(start, reason)
        if on_verdict:
            if not (reasons := _find_reasons_to_retrain(platform, drops)):
                return _skip(start, "monitor finds nothing on this drop")
            start = replace(start, why="; ".join(reasons))
        return _continue(platform, start, None, drops_of_months, requester)


def _first_state(platform: Platform, drops: TrainingDrops, digest: str, why: str) -> Retraining:
    """Return the state that a new retraining on this evidence begins with."""
    return Retraining(
        model=platform.catalog.model,
        evidence_digest=digest,
        as_of=drops.as_of,
        label_as_of=drops.label_as_of,
        state="started",
        version=None,
        why=why,
    )


def _resume(
    platform: Platform,
    start: Retraining,
    reached: Retraining,
    drops_of_months: list[TrainingDrops],
    requester: Requester,
) -> RetrainReceipt:
    """Continue an earlier retraining on the same evidence, or skip if the gate has decided it."""
    if reached.is_decided:
        return _skip(
            start,
            f"version {reached.version} of the same data, features and configuration was "
            f"{reached.state} {reached.at:%Y-%m-%d %H:%M}",
        )
    return _continue(platform, start, reached, drops_of_months, requester)


def _find_drops(platform: Platform, as_of: datetime | None, lead: int) -> TrainingDrops:
    """Find the drop of a date and the drop of its labels; without a date, the newest such pair.

    Raises:
        SnapshotMissing: No snapshot of this date is frozen.
        LabelsMissing: The drop that holds the labels is not frozen.
    """
    if as_of is None:
        return find_newest_labelled_drop(platform, lead)
    known_drops = read_known_drops(platform.connection, platform.catalog)
    if as_of not in known_drops.drops:
        raise SnapshotMissing(
            f"no snapshot of {as_of:%Y-%m-%d} is frozen; frozen are: {known_drops.listed}"
        )
    label_at = known_drops.find_label_drop(as_of, lead)
    if label_at is None:
        count = count_of(lead, "drop")
        raise LabelsMissing(
            f"the labels of {as_of:%Y-%m-%d} are in the drop that comes {count} later,"
            " and that drop is not frozen"
        )
    return known_drops.training_drops(as_of, label_at, lead)


def _find_reason_to_wait(platform: Platform, labels: int, force: bool) -> str:
    """Say why the retraining has to wait; empty when there is no reason."""
    settings = platform.settings
    if labels < settings.retrain_min_labels:
        return (
            f"there {choose_form(labels, 'is', 'are')} {count_of(labels, 'label')}, "
            f"needed are {settings.retrain_min_labels:,} "
            "(retrain_min_labels)"
        )
    cooldown = timedelta(hours=settings.retrain_cooldown_hours)
    end = retraining.end_of_cooldown(platform.connection, platform.catalog.model, cooldown)
    if end is not None and not force:
        return (
            f"the cool-down after the last retraining ends {end:%Y-%m-%d %H:%M} UTC "
            "(retrain_cooldown_hours)"
        )
    return ""


def _find_reasons_to_retrain(platform: Platform, drops: TrainingDrops) -> tuple[str, ...]:
    """Say why the version in Production should be replaced, by the monitoring report on the drop.

    The result is empty when there is no reason.
    """
    if version_in_stage(platform) is None:
        return ("no version is in Production",)
    report = monitor(platform, drops.as_of)
    return report.reasons if report.fires else ()


def _continue(
    platform: Platform,
    start: Retraining,
    reached: Retraining | None,
    drops_of_months: list[TrainingDrops],
    requester: Requester,
) -> RetrainReceipt:
    """Do the states of the retraining that were not reached yet.

    Args:
        start: The state that a new retraining begins with.
        reached: The last state of an earlier run on the same evidence; None for a new retraining.
    """
    connection = platform.connection
    trained = None
    if reached is None:
        retraining.record_state(connection, start)
    version = find_trained_version(platform, start)
    if version is None:
        trained = _train(platform, drops_of_months)
        version = trained.version
    if reached is None or (reached.state, reached.version) != ("trained", version):
        retraining.record_state(connection, replace(start, state="trained", version=version))
    promotion = promote(platform, version, why=f"retrain: {start.why}", requester=requester)
    decision: retraining.State = "refused" if promotion.refused else "promoted"
    retraining.record_state(connection, replace(start, state=decision, version=version))
    return RetrainReceipt(
        model=start.model,
        as_of=start.as_of.date(),
        label_as_of=start.label_as_of.date(),
        decision=decision,
        why=start.why,
        version=version,
        evidence_digest=start.evidence_digest,
        resumed=reached is not None,
        trained=trained,
        promotion=promotion,
    )


def _train(platform: Platform, drops_of_months: list[TrainingDrops]) -> TrainReceipt:
    newest = drops_of_months[-1]
    return train(
        platform,
        newest.as_of,
        label_lead=newest.label_lead,
        known_at=newest.known_at,
        months=len(drops_of_months),
    )


def _skip(start: Retraining, why: str) -> RetrainReceipt:
    """Return the receipt of a retraining that does nothing, with the reason."""
    return RetrainReceipt(
        model=start.model,
        as_of=start.as_of.date(),
        label_as_of=start.label_as_of.date(),
        decision="skipped",
        why=why,
        version=None,
        evidence_digest=start.evidence_digest,
    )
