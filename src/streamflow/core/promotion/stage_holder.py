"""Which version serves when the ledger, MLflow's stage and MLflow's alias disagree.

MLflow's stage decides. The sentences of a resolution are stored in the ledger, whose hashes cover
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """What follows from the ledger, the stage and the alias.

    Attributes:
        serves: The version that answers. None when no version answers.
        outcome: One of these:
            agreed: all three name the same version.
            alias: only the alias was moved outside; it is put back.
            moved: the stage was moved outside; the ledger records it, and the alias follows.
            apart: stage and alias were moved outside to different versions; `serves` stays.
            several: several versions are in the stage; nobody can tell which one is right.
        note: What a person should know. Empty when all three agree.
    """

    serves: int | None
    outcome: Literal["agreed", "alias", "moved", "apart", "several"]
    note: str = ""


def resolve_stage_holder(
    ledger: int | None,
    staged: Sequence[int],
    alias: int | None,
    *,
    stage: str = "Production",
) -> Resolution:
    """Decide which version serves.

    Args:
        ledger: The version that the ledger names.
        staged: The versions in the stage.
        alias: The version that the alias of the stage names.
        stage: The stage.

    >>> resolve_stage_holder(1, [1], 1).outcome, resolve_stage_holder(1, [1], 2).outcome
    ('agreed', 'alias')
    >>> resolve_stage_holder(1, [2], 1).serves, resolve_stage_holder(1, [2], 3).serves
    (2, 1)
    """
    if len(staged) > 1:
        versions = ", ".join(map(str, sorted(staged)))
        note = f"the versions {versions} are all in {stage}"
        return Resolution(serves=ledger, outcome="several", note=note)
    current = staged[0] if staged else None
    if current == ledger == alias:
        return Resolution(serves=current, outcome="agreed")
    alias_in_words = _in_words(alias)
    current_in_words = _in_words(current)
    ledger_in_words = _in_words(ledger)
    if current == ledger:
        note = f"the alias of {stage} names {alias_in_words}, the stage {current_in_words}"
        return Resolution(serves=current, outcome="alias", note=note)
    if alias in (None, ledger, current):
        note = f"{current_in_words} was put into {stage} in MLflow, instead of {ledger_in_words}"
        return Resolution(serves=current, outcome="moved", note=note)
    note = (
        f"{stage}: MLflow's stage names {current_in_words} and its alias {alias_in_words};"
        f" {ledger_in_words} goes on until 'streamflow promote VERSION' settles it"
    )
    return Resolution(serves=ledger, outcome="apart", note=note)


def _in_words(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"
