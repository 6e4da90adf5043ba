"""Receipts of the life cycle in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from streamflow.cli import receipts

if TYPE_CHECKING:
    from streamflow.core.promotion.ledger import Entry
    from streamflow.steps.promotion.gate import Examination
    from streamflow.steps.promotion.promote import PromoteReceipt, RollbackReceipt
    from streamflow.steps.promotion.retrain import RetrainReceipt
    from streamflow.steps.stages.ledger import LedgerVerdict, WhoServed
    from streamflow.steps.stages.transitions import ReconcileReceipt


def promote(r: PromoteReceipt) -> str:
    """The evidence, gate by gate, and the decision."""
    lines = list(_evidence(r.examination)) if r.examination else []
    place = f", in place of version {r.replaced}" if r.replaced else ""
    forced = " by force" if r.forced else ""
    said = {
        "promoted": f"[OK] {r.model} version {r.version} is in {r.stage}{place}{forced}",
        "refused": f"[REFUSED] {r.model} version {r.version} was not promoted; --force --why TEXT overrules the gate",
        "no change": f"[OK] {r.model} version {r.version} is in {r.stage} already",
        "would be promoted": f"[OK] {r.model} version {r.version} would be promoted to {r.stage}{forced}; nothing was changed",
        "would be refused": f"[REFUSED] {r.model} version {r.version} would not be promoted; nothing was changed",
    }
    return "\n".join([*lines, said[r.decision]])


def retrain(r: RetrainReceipt) -> str:
    """What was trained, what the gate said, and why nothing was done where that is so."""
    if r.decision == "skipped":
        return f"[OK] nothing to retrain as of {r.as_of}: {r.why}"
    lines = (
        [receipts.train(r.trained)]
        if r.trained
        else [f"  version {r.version} was trained on the same evidence before"]
    )
    if r.promotion:
        lines.append(promote(r.promotion))
    return "\n".join(
        [*lines, f"[OK] retrained as of {r.as_of} ({r.why}): version {r.version} was {r.decision}"]
    )


def rollback(r: RollbackReceipt) -> str:
    """What stands now."""
    place = f", in place of version {r.replaced}" if r.replaced else ""
    return f"[OK] {r.model} version {r.version} is back in Production{place}, with its threshold {r.threshold:g} (entry {r.seq})"


def reconcile(r: ReconcileReceipt) -> str:
    """What was entered, and what cannot be settled."""
    lines = [*(entry(e) for e in r.entered), *(f"  note: {words}" for words in r.unsettled)]
    return "\n".join(
        [
            *lines,
            f"[OK] {len(r.entered)} entries made" if r.entered else "[OK] nothing to reconcile",
        ]
    )


def entry(e: Entry) -> str:
    """One line of the ledger."""
    return f"  entry {e.seq}: {e.action}, {e.stage}: {e.why}, since {e.since:%Y-%m-%d %H:%M:%S}"


def ledger_verdict(r: LedgerVerdict) -> str:
    """Whole, or the first entry that is not."""
    return (
        f"[OK] the ledger is whole: {r.words}"
        if r.broken is None
        else f"[BROKEN] entry {r.broken}: {r.words}"
    )


def who_served(r: WhoServed) -> str:
    """One line."""
    until = f" until {r.until.isoformat()}" if r.until else ""
    e = r.entry
    return f"[OK] {r.model} version {r.version}, since {r.since.isoformat()}{until} (entry {e.seq}, {e.action} by {e.who}: {e.why})"


def _evidence(found: Examination) -> Iterator[str]:
    if found.rows:
        of, day = found.rows, slice(10)
        users = f"{of['rows']:,} users ({of['positives']:,} positive)"
        yield f"  judged on {users} of {of['as_of'][day]}, labels of {of['label_as_of'][day]}:"
        for version, proof in of["trained_on"].items():
            erased = f", {proof['erased']} erased on request since" if proof["erased"] else ""
            known = f"its {proof['keys']:,} training keys are {proof['digest'][:16]} (salt '{proof['split_salt']}'{erased})"
            yield f"    none was seen by version {version}: {known}"
    if found.compared:
        yield f"  {'':20} {'champion':>10} {'challenger':>10} {'difference':>10}   {found.policy.confidence:.0%} interval"
    for c in found.compared:
        ends = f"{c.low:+.4f}..{c.high:+.4f}"
        yield f"  {c.metric:20} {c.champion:10.4f} {c.challenger:10.4f} {c.difference:+10.4f}   {ends}"
    for gate in found.gates:
        yield f"  {'passed' if gate.passed else 'FAILED'} {gate.name:14} {gate.evidence}"
