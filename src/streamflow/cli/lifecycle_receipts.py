"""Print the receipts of promotion, retraining, rollback and the ledger as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from streamflow.cli import receipts
from streamflow.cli.printable import one_line
from streamflow.core.data.counts import count_of
from streamflow.core.statistics.threshold import format_threshold

if TYPE_CHECKING:
    from streamflow.core.promotion.ledger import Entry
    from streamflow.steps.promotion.gate import Examination
    from streamflow.steps.promotion.promote import PromoteReceipt
    from streamflow.steps.promotion.retrain import RetrainReceipt
    from streamflow.steps.promotion.rollback import RollbackReceipt
    from streamflow.steps.stages.ledger import LedgerVerdict, VersionAtInstant
    from streamflow.steps.stages.transitions import ReconcileReceipt


def promote(receipt: PromoteReceipt) -> str:
    """Print the evidence of each gate, and the decision."""
    lines: list[str] = []
    if receipt.examination:
        lines += _describe_rows(receipt.examination)
        lines += _describe_evidence(receipt.examination)
    lines.append(_describe_decision(receipt))
    return "\n".join(lines)


def _describe_decision(receipt: PromoteReceipt) -> str:
    version = f"{receipt.model} version {receipt.version}"
    forced = " by force" if receipt.forced else ""
    sentences = {
        "promoted": f"[OK] {version} is in {receipt.stage}{_replacing(receipt.replaced)}{forced}",
        "refused": f"[REFUSED] {version} was not promoted; --force --why TEXT overrules the gate",
        "no change": f"[OK] {version} is in {receipt.stage} already",
        "would be promoted": f"[OK] {version} would be promoted to {receipt.stage}{forced};"
        " nothing was changed",
        "would be refused": f"[REFUSED] {version} would not be promoted; nothing was changed",
    }
    return sentences[receipt.decision]


def _replacing(version: int | None) -> str:
    return f", in place of version {version}" if version else ""


def retrain(receipt: RetrainReceipt) -> str:
    """Print what was trained and what the gate decided, or why nothing was done."""
    if receipt.decision == "skipped":
        return f"[OK] nothing to retrain as of {receipt.as_of}: {one_line(receipt.why)}"
    lines = []
    if receipt.trained:
        lines.append(receipts.train(receipt.trained))
    else:
        lines.append(f"  version {receipt.version} was trained on the same evidence before")
    if receipt.promotion:
        lines.append(promote(receipt.promotion))
    lines.append(
        f"[OK] retrained as of {receipt.as_of} ({one_line(receipt.why)}):"
        f" version {receipt.version} was {receipt.decision}"
    )
    return "\n".join(lines)


def rollback(receipt: RollbackReceipt) -> str:
    """Print the version that is in Production now."""
    return (
        f"[OK] {receipt.model} version {receipt.version} is back in Production"
        f"{_replacing(receipt.replaced)}, with its threshold"
        f" {format_threshold(receipt.threshold, 'g')} (entry {receipt.seq})"
    )


def reconcile(receipt: ReconcileReceipt) -> str:
    """Print the new entries, and what cannot be settled."""
    lines = [entry(new_entry) for new_entry in receipt.entered]
    lines += [f"  note: {note}" for note in receipt.unsettled]
    if receipt.entered:
        lines.append(f"[OK] {count_of(len(receipt.entered), 'entry', 'entries')} made")
    else:
        lines.append("[OK] nothing to reconcile")
    return "\n".join(lines)


def entry(ledger_entry: Entry) -> str:
    """Print one entry of the ledger as one line."""
    return (
        f"  entry {ledger_entry.seq}: {ledger_entry.action}, {ledger_entry.stage}:"
        f" {one_line(ledger_entry.why)}, since {ledger_entry.since:%Y-%m-%d %H:%M:%S}"
    )


def ledger_verdict(verdict: LedgerVerdict) -> str:
    """Print whether the ledger is intact, or the first entry that is not."""
    if verdict.broken is None:
        return f"[OK] the ledger is intact: {verdict.text}"
    return f"[BROKEN] entry {verdict.broken}: {verdict.text}"


def who_served(receipt: VersionAtInstant) -> str:
    """Print the version that served at an instant, and the entry that put it there."""
    until = f" until {receipt.until.isoformat()}" if receipt.until else ""
    cause = receipt.entry
    return (
        f"[OK] {receipt.model} version {receipt.version}, since {receipt.since.isoformat()}{until}"
        f" (entry {cause.seq}, {cause.action} by {one_line(cause.who)}: {one_line(cause.why)})"
    )


def _describe_rows(examination: Examination) -> Iterator[str]:
    """Yield the users that both versions were judged on, and why neither version has seen them."""
    rows = examination.rows
    if not rows:
        return
    as_of = rows["as_of"][:10]  # the day of an ISO instant
    label_as_of = rows["label_as_of"][:10]
    users = f"{count_of(rows['rows'], 'user')} ({rows['positives']:,} positive)"
    yield f"  judged on {users} of {as_of}, with the labels of {label_as_of}:"
    for version, proof in rows["trained_on"].items():
        facts = f"salt '{proof['split_salt']}'"
        if proof["erased"]:
            facts += f", {proof['erased']:,} erased on request since"
        keys = count_of(proof["keys"], "training key")
        yield (
            f"    version {version} has not seen any of them:"
            f" the digest of its {keys} is {proof['digest'][:16]} ({facts})"
        )


def _describe_evidence(examination: Examination) -> Iterator[str]:
    """Yield the table of compared metrics, and one line per gate."""
    if examination.compared:
        interval = f"{examination.policy.confidence:.0%} interval"
        yield f"  {'':20} {'champion':>10} {'challenger':>10} {'difference':>10}   {interval}"
    for metric in examination.compared:
        values = f"{metric.champion:10.4f} {metric.challenger:10.4f} {metric.difference:+10.4f}"
        yield f"  {metric.metric:20} {values}   {metric.low:+.4f}..{metric.high:+.4f}"
    if examination.compared and not any(c.metric == "value" for c in examination.compared):
        yield f"  {'value':20} not set: kept_value, offer_cost and offer_success have no value"
    for gate in examination.gates:
        mark = "passed" if gate.passed else "FAILED"
        yield f"  {mark} {gate.name:14} {gate.evidence}"
    for remark in examination.remarks:
        yield f"  note: {remark}"
