"""What came of holding a version against its passport, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamflow.core.time import day

if TYPE_CHECKING:
    from streamflow.core.certificate import Certificate
    from streamflow.steps.verify import VerifyReceipt

SHOWN = 20  # violations for people; --json lists more


def verify(r: VerifyReceipt) -> str:
    """Where the cells come from, each that is wrong, what is not as recorded, and the verdict."""
    lines = [
        f"{r.model} version {r.version}, run {r.run_id}",
        f"  as of {r.as_of:%Y-%m-%d}, labels of {r.label_as_of:%Y-%m-%d}, known at {r.known_at.isoformat()}",
        *(f"  {p.name:24} newest as_of {day(p.as_of)}, learned at {day(p.known_at)}" for p in r.certificate.parts),
        *(f"  violation     {violation}" for violation in r.violations[:SHOWN]),
    ]
    more = r.certificate.violations - min(len(r.violations), SHOWN)
    lines += [f"  … and {more:,} violations more (--json lists the first {len(r.violations):,})"] if more else []
    lines += [f"  training set  {words}" for words in r.training_set]
    lines += [f"  certificate   {difference}" for difference in r.differences]
    lines += [f"  tampered      {words}" for words in r.tampered]
    if not r.differences and not r.comparable:
        same = "of a sample and a whole only rows, cells and violations can be compared: they are the recorded ones"
    else:
        same = f"the certificate is {'not ' if r.differences else ''}the recorded one"
    return "\n".join([*lines, f"[{'OK' if r.holds else 'NO'}] {checked(r.certificate)}; {same}"])


def checked(c: Certificate) -> str:
    """How much was checked, and how many cells are not what belongs there."""
    part = f"a sample of {c.checked:,} of {c.cells:,} cells" if c.sampled else f"all {c.cells:,} cells"
    return f"checked {part} against the frozen rows: {c.violations:,} violation{'' if c.violations == 1 else 's'}"
