"""The values of the setting `engine`. The command line reads them too, so nothing slow is here."""

from __future__ import annotations

from typing import Literal

EngineName = Literal["local", "spark"]
