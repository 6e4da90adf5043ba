"""user: what is known of one user: values over the drops, and the newest answers given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from streamflow.core.serving.risk import Move, classify_move, subtract_earlier, value_at_risk
from streamflow.errors import EntityUnknown
from streamflow.platform import Platform
from streamflow.steps.data.values_of_key import read_values_of_key
from streamflow.steps.serving.at_risk import StoredReason, parse_reasons
from streamflow.steps.serving.predict import parse_key
from streamflow.steps.serving.trust import Trust, make_trust, read_scored_drops
from streamflow.warehouse.score_pages import (
    read_answers_about,
    read_scores_of_key,
)

# The newest answers of the API that are shown; a user who is asked about every hour has thousands.
ANSWERS_SHOWN = 100

Value = bool | int | float | str | None


@dataclass(frozen=True, kw_only=True)
class ValueHistory:
    """The values of one column over the drops.

    label  what people call the column
    now    the value of the newest drop that has the user
    series the value of each drop, in the order of the drops; None: no value
    """

    name: str
    label: str
    type: str
    now: Value
    series: tuple[Value, ...]


@dataclass(frozen=True, kw_only=True)
class AnswerAbout:
    """One answer that was given about the user.

    at      when it was given
    source  score: a scored drop; answer: the API or the command `predict`
    """

    source: Literal["score", "answer"]
    as_of: datetime
    at: datetime
    version: int
    probability: float | None
    flagged: bool
    missing: str | None


@dataclass(frozen=True, kw_only=True)
class UserRecord:
    """What is known of one user.

    probability  of the newest scored drop; None: the drop has no answer for the user
    change       the probability minus `earlier`, that of the scored drop before
    missing      the features without a value, which are the reason that there is no answer
    drops        the days of the drops that have the user, the oldest first
    values       one history for each column of the catalog but the label
    """

    key: str
    trust: Trust
    probability: float | None
    value_at_risk: float | None
    flagged: bool
    earlier: float | None
    change: float | None
    move: Move
    missing: str | None
    defaulted: str | None
    reasons: tuple[StoredReason, ...]
    drops: tuple[datetime, ...]
    values: tuple[ValueHistory, ...]
    answers: tuple[AnswerAbout, ...]


def read_user(platform: Platform, key: str) -> UserRecord:
    """Read what is known of one user.

    Raises:
        NothingScored: no drop was scored yet.
        EntityUnknown: no drop and no answer has the key.
    """
    drops = read_scored_drops(platform)
    connection = platform.connection
    typed_key = parse_key(platform.catalog, key)
    # Scores and answers have the key as text: that of the number 7 is "7", not "007".
    key = str(typed_key)
    rows = read_values_of_key(platform, typed_key, platform.catalog.feature_tables)
    scores = read_scores_of_key(connection, key, [drop.id for drop in drops])
    answers = read_answers_about(connection, key, limit=ANSWERS_SHOWN)
    if not (rows or scores or answers):
        raise _unknown(platform)
    newest = next((row for row in scores if row["run"] == drops[0].id), {})
    earlier_run = drops[1].id if len(drops) > 1 else None
    earlier = next((row["probability"] for row in scores if row["run"] == earlier_run), None)
    probability = newest.get("probability")
    return UserRecord(
        key=key,
        trust=make_trust(drops),
        probability=probability,
        value_at_risk=value_at_risk(probability, platform.settings.kept_value),
        flagged=newest.get("prediction") == 1,
        earlier=earlier,
        change=subtract_earlier(probability, earlier),
        move=classify_move(probability, earlier),
        missing=newest.get("missing"),
        defaulted=newest.get("defaulted"),
        reasons=parse_reasons(newest.get("reasons")),
        drops=tuple(sorted({as_of for _, as_of, _ in rows})),
        values=_make_histories(platform, rows),
        answers=(*map(_scored_answer, scores), *map(_logged_answer, answers)),
    )


def _unknown(platform: Platform) -> EntityUnknown:
    return EntityUnknown(
        f"no drop and no answer has this {platform.catalog.entity.key}",
        remedy="Check the key. A user who was forgotten is in no drop.",
    )


def _make_histories(
    platform: Platform,
    rows: Sequence[tuple[str, datetime, Mapping[str, Any]]],
) -> tuple[ValueHistory, ...]:
    """Put the values of each column in a row, in the order of the catalog."""
    drops = sorted({as_of for _, as_of, _ in rows})
    values = {(table, as_of): row for table, as_of, row in rows}
    histories = []
    for table in platform.catalog.feature_tables:
        columns = platform.catalog.frozen_tables[table].columns
        for name, column in columns.items():
            series = tuple(values.get((table, as_of), {}).get(name) for as_of in drops)
            histories.append(
                ValueHistory(
                    name=name,
                    label=column.words or name.replace("_", " "),
                    type=column.type,
                    now=series[-1] if series else None,
                    series=series,
                )
            )
    return tuple(histories)


def _scored_answer(row: Mapping[str, Any]) -> AnswerAbout:
    return AnswerAbout(
        source="score",
        as_of=row["as_of"],
        at=row["at"],
        version=row["version"],
        probability=row["probability"],
        flagged=row["prediction"] == 1,
        missing=row["missing"],
    )


def _logged_answer(row: Mapping[str, Any]) -> AnswerAbout:
    return AnswerAbout(
        source="answer",
        as_of=row["as_of"],
        at=row["at"],
        version=row["version"],
        probability=row["probability"],
        flagged=row["prediction"] == 1,
        missing=None,
    )
