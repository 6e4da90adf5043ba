"""The five levels of a passport, compared: each is the same, or drifted with the differences that a person can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamflow.core.data.catalog_definitions import meaning
from streamflow.core.data.difference import Difference

LEVELS = ("data", "features", "code", "environment", "configuration")


@dataclass(frozen=True, kw_only=True)
class Level:
    """The verdict on one level: the same, or drifted with every difference, the first of which is the one to look at."""

    name: str
    differences: tuple[Difference, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing of it drifted."""
        return not self.differences

    @property
    def verdict(self) -> str:
        """One word."""
        return "same" if self.same else "drifted"


def compare_features(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> Level:
    """The features level: definitions fact by fact."""
    before, after = meaning(recorded["catalog"]), meaning(now["catalog"])
    found = _differences(before, after)
    if not found:
        found = _differences({"service": recorded["service"]}, {"service": now["service"]})
    return Level(name="features", differences=_grouped(found))


def compare_code(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> Level:
    """The code level: our files by digest. The commit alone is no difference: what runs is what the files say."""
    note = _commits(recorded, now)
    found = _differences(_short(recorded["files"]), _short(now["files"]), note=note)
    return Level(name="code", differences=tuple(found))


def compare_environment(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> Level:
    """The environment level: interpreter and platform, then every distribution by version."""
    fixed = [{k: v for k, v in side.items() if k != "distributions"} for side in (recorded, now)]
    found = _differences(*fixed) + _differences(recorded["distributions"], now["distributions"])
    return Level(name="environment", differences=tuple(found))


def compare_configuration(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> Level:
    """The configuration level: settings by value; where a value came from is told, and is no difference of its own.

    >>> was = {"trees": {"value": 300, "origin": "default"}}
    >>> level = compare_configuration(was, {"trees": {"value": 100, "origin": "STREAMFLOW_TREES"}})
    >>> print(level.differences[0])
    trees: 300 -> 100 (default -> STREAMFLOW_TREES)
    >>> compare_configuration(was, {"trees": {"value": 300, "origin": "flag"}}).same
    True
    """
    found = []
    for name in sorted({*recorded, *now}):
        before, after = recorded.get(name), now.get(name)
        if before and after and before["value"] == after["value"]:
            continue
        note = " -> ".join(side["origin"] for side in (before, after) if side)
        found.append(Difference(what=name, recorded=_text(before), now=_text(after), note=note))
    return Level(name="configuration", differences=tuple(found))


def _text(setting: Mapping[str, Any] | None) -> str | None:
    return None if setting is None else str(setting["value"])


def _differences(
    recorded: Mapping[str, Any], now: Mapping[str, Any], *, note: str = ""
) -> list[Difference]:
    return [
        Difference(what=name, recorded=_known(recorded, name), now=_known(now, name), note=note)
        for name in dict.fromkeys([*recorded, *now])
        if (name in recorded, recorded.get(name)) != (name in now, now.get(name))
    ]


def _known(side: Mapping[str, Any], name: str) -> str | None:
    return str(side[name]) if name in side else None


def _grouped(found: Sequence[Difference]) -> tuple[Difference, ...]:
    """A feature that came or went is one difference, not one per fact of it; the order of the rest comes last."""
    gone = {
        d.what.split(" ")[0]
        for d in found
        if d.what.endswith(" type") and None in (d.recorded, d.now)
    }
    whole = [
        Difference(
            what=d.what.removesuffix(" type"), recorded=_there(d.recorded), now=_there(d.now)
        )
        for d in found
        if d.what.endswith(" type") and d.what.split(" ")[0] in gone
    ]
    rest = [d for d in found if d.what.split(" ")[0] not in gone]
    order = [d for d in rest if d.what.startswith("order")]
    return (*whole, *(d for d in rest if d not in order), *order)


def _there(value: str | None) -> str | None:
    return None if value is None else "defined"


def _short(files: Mapping[str, str]) -> dict[str, str]:
    return {name: digest[:16] for name, digest in files.items()}


def _commits(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Which commits the two were, as far as git knows them; uncommitted files are said."""
    sides = []
    for side in (recorded, now):
        commit = side.get("commit")
        dirty = ", uncommitted" if side.get("dirty") else ""
        sides.append(f"commit {commit[:12]}{dirty}" if commit else "no commit")
    return " -> ".join(sides)
