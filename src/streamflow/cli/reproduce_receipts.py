"""What came of holding a version against its passport, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamflow.core.data.instants import day

if TYPE_CHECKING:
    from streamflow.core.training.certificate import Certificate
    from streamflow.steps.versions.reproduce import LevelVerdict, ReproduceReceipt
    from streamflow.steps.versions.verify import VerifyReceipt

SHOWN = 20  # violations for people; --json lists more


def reproduce(r: ReproduceReceipt) -> str:
    """The levels, what of the record was changed, and the verdict."""
    lines = [
        f"{r.model} version {r.version}, as of {r.as_of:%Y-%m-%d}, known at {r.known_at.isoformat()}, code {r.code}"
    ]
    lines += [line for level in r.levels for line in _level(level)]
    lines += [f"  tampered       {words}" for words in r.tampered]
    lines += [f"  result         {words}" for words in r.differences]
    if r.result == "identical":
        done = f"training set, keys, model and {r.predictions:,} predictions are bit for bit as recorded"
    else:
        largest = "not known" if r.largest_difference is None else f"{r.largest_difference:.3g}"
        done = f"the largest difference of {r.predictions:,} probabilities is {largest}, declared are {r.tolerance:g}"
    mark = "OK" if r.holds else "NO"
    tampered = "; the record of the version was changed" if r.tampered else ""
    return "\n".join([*lines, f"[{mark}] {r.result}: {done}{tampered}"])


def _level(level: LevelVerdict) -> list[str]:
    """One line for a level that is the same; else the first differences, and how many more there are."""
    if not level.differences:
        return [f"  {level.name:14} same"]
    shown = level.differences[:3]
    heads = [f"{level.name:14} drifted", *[f"{'':22}"] * 2]
    lines = [f"  {head}  {words}" for head, words in zip(heads, shown, strict=False)]
    more = level.count - len(shown)
    return lines + ([f"  {'':22}  and {more:,} more (--json lists them)"] if more else [])


def verify(r: VerifyReceipt) -> str:
    """Where the cells come from, each that is wrong, what is not as recorded, and the verdict."""
    lines = [
        f"{r.model} version {r.version}, run {r.run_id}",
        f"  as of {r.as_of:%Y-%m-%d}, labels of {r.label_as_of:%Y-%m-%d}, known at {r.known_at.isoformat()}",
        *(
            f"  {p.name:24} newest as_of {day(p.as_of)}, learned at {day(p.known_at)}"
            for p in r.certificate.parts
        ),
        *(f"  violation     {violation}" for violation in r.violations[:SHOWN]),
    ]
    more = r.certificate.violations - min(len(r.violations), SHOWN)
    lines += (
        [f"  … and {more:,} violations more (--json lists the first {len(r.violations):,})"]
        if more
        else []
    )
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
    part = (
        f"a sample of {c.checked:,} of {c.cells:,} cells" if c.sampled else f"all {c.cells:,} cells"
    )
    return f"checked {part} against the frozen rows: {c.violations:,} violation{'' if c.violations == 1 else 's'}"
