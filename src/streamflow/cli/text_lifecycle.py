"""Receipts of the life cycle in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from streamflow.cli import text

if TYPE_CHECKING:
    from streamflow.steps.gate import Examination
    from streamflow.steps.promote import PromoteReceipt
    from streamflow.steps.retrain import RetrainReceipt


def promote(r: PromoteReceipt) -> str:
    """The evidence, gate by gate, and the decision."""
    lines = list(_evidence(r.examination)) if r.examination else []
    place = f", in place of version {r.replaced}" if r.replaced else ""
    forced = " by force" if r.forced else ""
    said = {
        "promoted": f"[OK] {r.model} version {r.version} is in {r.stage}{place}{forced}",
        "refused": f"[REFUSED] {r.model} version {r.version} was not promoted; --force --why TEXT overrules the gate",
        "would be promoted": f"[OK] {r.model} version {r.version} would be promoted to {r.stage}{forced}; nothing was changed",
        "would be refused": f"[REFUSED] {r.model} version {r.version} would not be promoted; nothing was changed",
    }
    return "\n".join([*lines, said[r.decision]])


def retrain(r: RetrainReceipt) -> str:
    """What was trained, what the gate said, and why nothing was done where that is so."""
    if r.decision == "skipped":
        return f"[OK] nothing to retrain as of {r.as_of}: {r.why}"
    lines = [text.train(r.trained)] if r.trained else [f"  version {r.version} was trained on the same evidence before"]
    if r.promotion:
        lines.append(promote(r.promotion))
    return "\n".join([*lines, f"[OK] retrained as of {r.as_of} ({r.why}): version {r.version} was {r.decision}"])


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
