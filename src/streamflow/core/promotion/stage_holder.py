"""Which version serves, when the ledger, MLflow's stage and MLflow's alias may each say something else. The stage decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """What follows from the three.

    serves   the version that answers; None for none
    found    agreed    all say the same
             alias     only the alias was moved outside: it is put back
             moved     the stage was moved outside: that is entered, and the alias follows
             apart     stage and alias were moved outside, to different versions: `serves` goes on as it is
             several   several versions are in the stage: nobody can say which is meant
    words    what a person should know; empty when agreed
    """

    serves: int | None
    found: Literal["agreed", "alias", "moved", "apart", "several"]
    words: str = ""


def resolve(
    ledger: int | None, staged: Sequence[int], alias: int | None, *, stage: str = "Production"
) -> Resolution:
    """Settle it. `staged` are the versions in the stage, `alias` is the one that the stage's alias names.

    >>> resolve(1, [1], 1).found, resolve(1, [2], 1).serves, resolve(1, [1], 2).found, resolve(1, [2], 3).serves
    ('agreed', 2, 'alias', 1)
    """
    if len(staged) > 1:
        names = ", ".join(map(str, sorted(staged)))
        return Resolution(
            serves=ledger, found="several", words=f"the versions {names} are all in {stage}"
        )
    now = staged[0] if staged else None
    if now == ledger:
        if alias == now:
            return Resolution(serves=now, found="agreed")
        return Resolution(
            serves=now,
            found="alias",
            words=f"the alias of {stage} names {_version(alias)}, the stage {_version(now)}",
        )
    if alias in (None, ledger, now):
        return Resolution(
            serves=now,
            found="moved",
            words=f"{_version(now)} was put into {stage} in MLflow, instead of {_version(ledger)}",
        )
    words = (
        f"{stage}: MLflow's stage names {_version(now)} and its alias {_version(alias)}; {_version(ledger)} goes on"
        " until 'streamflow promote VERSION' settles it"
    )
    return Resolution(serves=ledger, found="apart", words=words)


def _version(number: int | None) -> str:
    return "no version" if number is None else f"version {number}"
