"""Print the receipts of reproduce and verify as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamflow.core.data.counts import count_of
from streamflow.core.data.instants import format_instant

if TYPE_CHECKING:
    from streamflow.core.training.certificate import Certificate
    from streamflow.steps.data.event_proof import EventProof
    from streamflow.steps.versions.event_checks import EventCheck
    from streamflow.steps.versions.reproduce import LevelVerdict, ReproduceReceipt
    from streamflow.steps.versions.verify import VerifyReceipt

MAX_VIOLATIONS = 20  # so many are printed as text; --json lists more
MAX_DIFFERENCES = 3  # of each level
NAME_WIDTH = 24  # of the name of a view; longer names, with the month, widen the column


def reproduce(receipt: ReproduceReceipt) -> str:
    """Print the verdict on each level, what was changed in the record, and the result."""
    lines = [
        f"{receipt.model} version {receipt.version}, as of {receipt.as_of:%Y-%m-%d},"
        f" known at {receipt.known_at.isoformat()}, code {receipt.code}"
    ]
    for level in receipt.levels:
        lines += _describe_level(level)
    lines += [f"  tampered       {sentence}" for sentence in receipt.tampered]
    lines += [f"  result         {sentence}" for sentence in receipt.differences]
    lines += [f"  note           {note}" for note in receipt.notes]
    mark = "OK" if receipt.holds else "NO"
    tampered = "the record of the version was changed; the result is " if receipt.tampered else ""
    lines.append(f"[{mark}] {tampered}{receipt.result}: {_describe_result(receipt)}")
    return "\n".join(lines)


def _describe_result(receipt: ReproduceReceipt) -> str:
    if receipt.result == "identical":
        predictions = count_of(receipt.predictions, "prediction")
        return f"training set, keys, model and {predictions} are bit for bit as recorded"
    largest = receipt.largest_difference
    difference = "not known" if largest is None else f"{largest:.3g}"
    probabilities = count_of(receipt.predictions, "probability", "probabilities")
    sentence = (
        f"the largest difference of {probabilities} is {difference},"
        f" the declared tolerance is {receipt.tolerance:g}"
    )
    if any(level.differences for level in receipt.levels):
        return sentence
    return f"{sentence}; all five levels are the same, so something that they do not record changed"


def _describe_level(level: LevelVerdict) -> list[str]:
    """Return one line for a level that is the same.

    For a level that drifted return the first differences, and how many more there are.
    """
    if not level.differences:
        return [f"  {level.name:14} same"]
    indent = " " * 22
    first, *following = level.differences[:MAX_DIFFERENCES]
    lines = [f"  {level.name:14} drifted  {first}"]
    lines += [f"  {indent}  {difference}" for difference in following]
    hidden = level.count - len(lines)
    if hidden:
        lines.append(f"  {indent}  and {hidden:,} more (--json lists them)")
    return lines


def verify(receipt: VerifyReceipt) -> str:
    """Print where the cells come from, each violation, what differs, and the verdict."""
    proven_sources = receipt.certificate.parts
    width = max(NAME_WIDTH, *(len(source.name) for source in proven_sources))
    lines = [
        f"{receipt.model} version {receipt.version}, run {receipt.run_id}",
        f"  as of {receipt.as_of:%Y-%m-%d}, labels of {receipt.label_as_of:%Y-%m-%d},"
        f" known at {receipt.known_at.isoformat()}",
    ]
    lines += [
        f"  {source.name:{width}} newest as_of {format_instant(source.as_of)},"
        f" known at {format_instant(source.known_at)}"
        for source in proven_sources
    ]
    lines += _describe_violations(receipt)
    lines += [f"  events        {_describe_event_check(check)}" for check in receipt.events]
    lines += [f"  frozen rows   {sentence}" for sentence in receipt.frozen_rows]
    lines += [f"  training set  {sentence}" for sentence in receipt.training_set]
    lines += [f"  certificate   {difference}" for difference in receipt.differences]
    lines += [f"  tampered      {sentence}" for sentence in receipt.tampered]
    mark = "OK" if receipt.holds else "NO"
    lines.append(
        f"[{mark}] {describe_check(receipt.certificate)}; {_compare_certificates(receipt)}"
    )
    return "\n".join(lines)


def _describe_violations(receipt: VerifyReceipt) -> list[str]:
    shown = receipt.violations[:MAX_VIOLATIONS]
    lines = [f"  violation     {violation}" for violation in shown]
    hidden = receipt.certificate.violations - len(shown)
    if hidden:
        lines.append(
            f"  … and {count_of(hidden, 'more violation')}"
            f" (--json lists the first {len(receipt.violations):,})"
        )
    return lines


def _describe_event_check(check: EventCheck) -> str:
    """Say what the aggregates of a revision were computed from, or why they were not."""
    if check.proof is None:
        verb = "" if check.differs else "not computed again: "
        return f"{check.source}: {verb}{check.reason}"
    return f"{check.source}: computed again {describe_events(check.proof)}"


def describe_events(proof: EventProof) -> str:
    """Say which events the aggregates of a table were computed from."""
    newest = f"; the newest is of {format_instant(proof.newest)}" if proof.newest else ""
    late_events = ""
    if proof.late_events:
        late_events = f"; {count_of(proof.late_events, 'event')} after the as_of not used"
    counted = count_of(proof.events, "event")
    return f"from {counted}{newest}{late_events}; two engines computed the same"


def _compare_certificates(receipt: VerifyReceipt) -> str:
    if receipt.differences:
        return "the certificate is not the recorded one"
    if receipt.comparable:
        return "the certificate is the recorded one"
    return (
        "one certificate covers a sample and the second covers all cells, so"
        " only rows, cells and violations can be compared: they are the recorded ones"
    )


def describe_check(certificate: Certificate) -> str:
    """Say how many cells were checked, and how many do not have the value that belongs there."""
    cells = count_of(certificate.cells, "cell")
    if certificate.sampled:
        scope = f"a sample of {certificate.checked:,} of {cells}"
    else:
        scope = f"all {cells}"
    violations = count_of(certificate.violations, "violation")
    return f"checked {scope} against the frozen rows: {violations}"
