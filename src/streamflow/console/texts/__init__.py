"""The texts of the pages. A second language is a second file beside `en.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENGLISH = "en"


@dataclass(frozen=True, kw_only=True)
class Texts:
    """The texts of one language, by a name such as `at_risk.title`."""

    language: str
    texts: Mapping[str, str]

    def get(self, name: str, /, **values: object) -> str:
        """Return a text with its values filled in.

        Raises:
            KeyError: the language has no text of this name, or a value is not given.
        """
        text = self.texts[name]
        return text.format(**values) if values else text


def load_texts(language: str = ENGLISH) -> Texts:
    """Read the texts of a language."""
    path = Path(__file__).with_name(f"{language}.toml")
    sections = tomllib.loads(path.read_text(encoding="utf-8"))
    return Texts(language=language, texts=dict(_flatten(sections, "")))


def _flatten(sections: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    """Return each text with its whole name."""
    texts = []
    for name, value in sections.items():
        if isinstance(value, dict):
            texts += _flatten(value, f"{prefix}{name}.")
        else:
            texts.append((f"{prefix}{name}", str(value)))
    return texts
