"""The words with digits on a page of the console, and every way in which it may write a value."""

from __future__ import annotations

import inspect
import json
import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

from streamflow.console import formats
from streamflow.console.monitoring_tables import SMALLEST_SHOWN_P
from streamflow.console.serving_tables import MS_PER_S
from streamflow.console.texts import load_texts
from streamflow.console.version_tables import SEVERITY_TONES

# What is no number of the platform: the tick of a chart, what a person writes, the next page.
NOT_SHOWN = re.compile(
    r"<svg.*?</svg>|<select.*?</select>|<form.*?</form>|<p class=\"paging\">.*?</p>", re.DOTALL
)
PUNCTUATION = ".,;:()'\"→–…·<>="


def shown_words(html: str) -> list[str]:
    """The words with digits of the content of a page, as a person reads them."""
    main = re.search(r"<main.*</main>", html, re.DOTALL)
    assert main is not None
    text = unescape(re.sub(r"<[^>]*>", " ", NOT_SHOWN.sub(" ", main[0])))
    return [word for word in split_words(text) if re.search(r"\d", word)]


def split_words(text: str) -> list[str]:
    """The words of a text without the signs around them. A thin space is no end of a word."""
    words = [word.strip(PUNCTUATION) for word in re.split(r"[ \n\t]+", text)]
    return [word for word in words if word]


def words_of(receipt: Any) -> set[str]:
    """Every word with which a page may show a value of a receipt."""
    words: set[str] = set()
    for value in leaves(receipt):
        if isinstance(value, bool) or value is None:
            continue
        if isinstance(value, str):
            words |= words_of_text(value)
            if is_number(value):  # a setting
                words |= words_of_number(float(value))
        else:
            words |= words_of_number(value)
    return words


def words_of_text(text: str) -> set[str]:
    words = {text, text[:16], *split_words(text)}
    instant = parse_instant(text)
    if instant is not None:
        now = datetime.now(UTC)
        utc = instant.astimezone(UTC)
        words |= {f"{instant:%Y-%m-%d}", *split_words(formats.format_instant(utc))}
        words |= set(split_words(formats.format_age(instant, now))) | {f"{utc:%H:%M:%S}"}
    return words


def words_of_number(value: float) -> set[str]:
    texts = [str(value), f"{value:g}", formats.format_value(value), formats.format_points(value)]
    texts += [formats.format_number(value, decimals) for decimals in range(5)]
    texts += [formats.format_percent(value, decimals) for decimals in (0, 1)]
    if 0 <= value < SMALLEST_SHOWN_P:
        texts.append(f"{SMALLEST_SHOWN_P:.4f}")
    return {word for text in texts for word in (text, text.strip(PUNCTUATION))}


def numbers_of(receipt: Any) -> set[float]:
    return {float(value) for value in leaves(receipt) if is_number(value)}


def leaves(value: Any) -> Iterator[Any]:
    """Every value in a receipt, each name, and what is counted from the values beside it."""
    yield from counted(value)
    if isinstance(value, dict):
        for name, entry in value.items():
            yield name
            yield from leaves(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from leaves(entry)
    elif isinstance(value, str) and value.startswith('{"'):
        yield from leaves(json.loads(value))  # the evidence of an entry of the ledger
    else:
        yield value


def counted(value: Any) -> Iterator[float]:
    """What a page counts: entries, those of a severity, shares of rows, and rows that came.

    Of seconds it may show the milliseconds.
    """
    if isinstance(value, dict):
        seconds = [number for name, number in value.items() if name.endswith("_s") and number]
        yield from (MS_PER_S * number for number in seconds)
    if isinstance(value, dict) and value.get("former_rows") is not None:
        yield value["rows"] - value["former_rows"]
    if not isinstance(value, list):
        return
    yield len(value)
    if value and all(isinstance(entry, int) for entry in value):
        yield from (entry / max(sum(value), 1) for entry in value)
    for name in SEVERITY_TONES:
        yield sum(isinstance(entry, dict) and entry.get("severity") == name for entry in value)


def parse_instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)


def _words_of_texts() -> set[str]:
    folder = Path(inspect.getfile(load_texts)).parent
    texts = tomllib.loads((folder / "en.toml").read_text(encoding="utf-8"))
    return {
        word for value in leaves(texts) if isinstance(value, str) for word in split_words(value)
    }


WORDS_OF_TEXTS = _words_of_texts()
