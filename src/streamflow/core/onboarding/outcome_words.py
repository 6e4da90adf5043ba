"""Tell which values of a column say that a customer left, and which say that he stayed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

TRUE_WORDS = frozenset({"true", "t", "yes", "y", "1", "1.0", "ja", "j", "oui", "si", "sí", "wahr"})
FALSE_WORDS = frozenset({"false", "f", "no", "n", "0", "0.0", "nein", "non", "falsch"})
NEGATED = re.compile(r"^(no|not|non|never|nicht)[ _-]", re.IGNORECASE)
LEAVING = re.compile(
    r"churn|attrit|exited|cancel|\bleft\b|\bquit|lapsed|\bgone\b|terminat|ina[ck]tiv|closed"
    r"|\blost\b|unsubscribed|expired|gekündigt|gekuendigt|ausgetreten",
    re.IGNORECASE,
)
STAYED = re.compile(
    r"exist|stay|\bactiv|retain|current|remain|loyal|\bopen\b|subscribed|aktiv", re.IGNORECASE
)
# A column that is named like this says who stayed: its Yes is our False.
STAYED_NAME = re.compile(r"(^|_)(active|retained|stayed|retention|renewed|aktiv)($|_)")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The values of a label that mean True (the customer left), and those that mean False."""

    true: tuple[str, ...]
    false: tuple[str, ...]

    @property
    def is_contradictory(self) -> bool:
        """Return whether it says False for who left; no file format can call `false` True."""
        words_for_true = {word.lower() for word in self.true}
        words_for_false = {word.lower() for word in self.false}
        return "false" in words_for_true or "true" in words_for_false


def split_values(
    values: Sequence[str],
    *,
    name: str = "",
    true_value: str | None = None,
) -> Outcome | None:
    """Split the values of a column into those that mean True and those that mean False.

    Args:
        values: the distinct values.
        name: the name of the column; it may say that True means a customer who stayed.
        true_value: the value that means True, if the user named it.

    Returns None if a value says neither.

    >>> split_values(["Attrited Customer", "Existing Customer"])
    Outcome(true=('Attrited Customer',), false=('Existing Customer',))
    >>> split_values(["0", "1"], name="is_active")
    Outcome(true=('0',), false=('1',))
    """
    if true_value is not None:
        false_values = tuple(value for value in values if value != true_value)
        return Outcome(true=(true_value,), false=false_values) if true_value in values else None
    meanings = [_meaning(value, is_inverse=bool(STAYED_NAME.search(name))) for value in values]
    if not values or None in meanings:
        return None
    pairs = list(zip(values, meanings, strict=True))
    return Outcome(
        true=tuple(value for value, meaning in pairs if meaning),
        false=tuple(value for value, meaning in pairs if not meaning),
    )


def _meaning(value: str, *, is_inverse: bool) -> bool | None:
    """Tell whether a value says that the customer left; None if it says neither."""
    word = value.strip().lower()
    if word in TRUE_WORDS:
        return not is_inverse
    if word in FALSE_WORDS:
        return is_inverse
    if LEAVING.search(word):
        return not NEGATED.search(word)
    if STAYED.search(word):
        return bool(NEGATED.search(word))
    return None
