"""The line of trust of a page: day, version, calibration, age of the values, defaults."""

from __future__ import annotations

from datetime import datetime

from streamflow.console.formats import format_age, format_day, format_number
from streamflow.console.texts import Texts
from streamflow.steps.serving.trust import Trust


def write_trust(texts: Texts, trust: Trust, now: datetime) -> list[str]:
    """Write the parts of the line, in plain words."""
    day = format_day(trust.as_of)
    sentences = [
        texts.get("trust.as_of", day=day, age=format_age(trust.as_of, now)),
        texts.get("trust.version", version=trust.version),
        _write_calibration(texts, trust),
    ]
    if trust.oldest_as_of is not None:
        sentences.append(texts.get("trust.oldest", day=format_day(trust.oldest_as_of)))
    if trust.defaulted:
        count = format_number(trust.defaulted)
        users = format_number(trust.users)
        sentences.append(texts.get("trust.defaults", count=count, users=users))
    elif trust.defaulted == 0:
        sentences.append(texts.get("trust.no_defaults"))
    if trust.unanswered:
        sentences.append(texts.get("trust.unanswered", count=format_number(trust.unanswered)))
    return sentences


def _write_calibration(texts: Texts, trust: Trust) -> str:
    calibration = trust.calibration
    if calibration is None:
        return texts.get("trust.calibration_unknown")
    example = calibration.example
    values = {
        "percent": example.percent,
        "left": example.churned_of_100,
        "day": format_day(calibration.as_of),
        "users": format_number(example.users),
    }
    if example.is_missed:
        return texts.get("trust.missed", **values)
    return texts.get("trust.calibrated", **values)
