"""What 'models VERSION' writes for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from streamflow.core.data.counts import count_of
from streamflow.core.data.instants import format_instant

if TYPE_CHECKING:
    from streamflow.steps.versions.version_record import RecordedFacts, VersionRecord


def version(record: VersionRecord) -> str:
    """Write everything that is recorded of a version."""
    lines = [f"{record.model} version {record.version.version}, stage {record.version.stage}"]
    if record.recorded is None:
        lines.append(f"  note: {record.problem}")
    else:
        lines += _recorded_lines(record.recorded)
    if record.gate_entry is not None:
        entry = record.gate_entry
        lines.append(f"  gate: entry {entry.seq} of the ledger, {entry.action}")
    lines.append(f"  {_describe_reproduction(record)}")
    lines.append(f"[OK] run {record.version.run_id}")
    return "\n".join(lines)


def _describe_reproduction(record: VersionRecord) -> str:
    reproduced = record.reproduced
    if reproduced is None:
        return f"not reproduced yet: run 'streamflow reproduce {record.version.version}'"
    drifted = [level.name for level in reproduced.levels if level.verdict != "same"]
    levels = f"; drifted: {', '.join(drifted)}" if drifted else "; all five levels are the same"
    at = format_instant(reproduced.at)
    return f"reproduced at {at} by {reproduced.who}: {reproduced.result}{levels}"


def _recorded_lines(facts: RecordedFacts) -> Iterator[str]:
    metrics = facts.metrics
    yield (
        f"  AUC {metrics['auc']:.4f} [{metrics['auc_low']:.4f}, {metrics['auc_high']:.4f}],"
        f" labels of {facts.label_as_of:%Y-%m-%d}"
    )
    for candidate in facts.candidates:
        yield f"  candidate {candidate.kind:12}  AUC {candidate.auc:.4f}"
    yield (
        f"  {count_of(facts.training_rows, 'row')}, trained on {facts.training_keys:,},"
        f" held out {facts.holdout_keys:,}"
    )
    for level in facts.levels:
        yield f"  level {level.name:14} {level.digest[:16]}  {'; '.join(level.facts)}"
    certificate = facts.certificate
    if certificate:
        yield (
            f"  certificate: {certificate['checked']:,} of {certificate['cells']:,} cells checked,"
            f" {count_of(certificate['violations'], 'violation')}"
        )
    if facts.honesty is None:
        yield f"  note: {facts.honesty_problem}"
    else:
        yield from (f"  {line}" for line in facts.honesty.lines)
    for file in facts.files:
        yield f"  file {file.name:28} {file.digest[:16]}"
    yield from (f"  note: {note}" for note in facts.tampered)
