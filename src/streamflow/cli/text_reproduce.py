"""What came of holding a version against its passport, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamflow.steps.reproduce import LevelVerdict, ReproduceReceipt


def reproduce(r: ReproduceReceipt) -> str:
    """The levels, what of the record was changed, and the verdict."""
    lines = [f"{r.model} version {r.version}, as of {r.as_of:%Y-%m-%d}, known at {r.known_at.isoformat()}, code {r.code}"]
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
