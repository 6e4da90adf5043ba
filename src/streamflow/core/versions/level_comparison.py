"""Compare two passports level by level: each level is the same, or drifted with its differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamflow.core.data.catalog_definitions import list_model_facts
from streamflow.core.data.difference import Difference

LEVELS = ("data", "features", "code", "environment", "configuration")

TYPE_FACT = " type"  # how the fact that every feature has ends: its type
ORDER_FACT = "order"  # how the fact about the order of the features begins
# The facts of an environment level that are tables of their own.
ENVIRONMENT_TABLES = ("arithmetic", "distributions", "files", "changed_files")
DEFAULT = "default"  # the origin of a setting that nobody set
SHOWN_DIGITS = 16  # of the digest of a file
SHOWN_COMMIT_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class Level:
    """The verdict on one level: same, or drifted with every difference, in order of importance."""

    name: str
    differences: tuple[Difference, ...] = ()

    @property
    def is_same(self) -> bool:
        """Return whether nothing on this level drifted."""
        return not self.differences

    @property
    def verdict(self) -> str:
        """Return the verdict as one word: same or drifted."""
        return "same" if self.is_same else "drifted"


def compare_features(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> Level:
    """Compare the features levels: the definitions, fact by fact."""
    differences = _compare_values(
        list_model_facts(recorded["catalog"]),
        list_model_facts(current["catalog"]),
    )
    if not differences:
        differences = _compare_values(
            {"service": recorded["service"]},
            {"service": current["service"]},
        )
    return Level(name="features", differences=_group_by_feature(differences))


def compare_code(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> Level:
    """Compare the code levels: our files, by digest.

    A different commit alone is not a difference: the files decide what runs.
    """
    commits = f"{_describe_commit(recorded)} -> {_describe_commit(current)}"
    differences = _compare_values(
        _shorten_digests(recorded["files"]),
        _shorten_digests(current["files"]),
        note=commits,
    )
    return Level(name="code", differences=tuple(differences))


def compare_environment(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> Level:
    """Compare the environment levels: interpreter and machine, every distribution, their files.

    An older passport has no facts of some kinds: see `describe_uncompared`.

    >>> recorded = {"distributions": {"rich": "1"}, "files": {"rich": "ab"}, "changed_files": {}}
    >>> current = {**recorded, "changed_files": {"rich/text.py": "sha256=cd"}, "blas": "Haswell"}
    >>> print(*compare_environment(recorded, current).differences)
    rich/text.py: as installed -> sha256=cd
    """
    differences = _compare_values(_plain_facts(recorded), _plain_facts(current, recorded))
    differences += _compare_values(recorded["distributions"], current["distributions"])
    differences += _compare_files(recorded, current)
    return Level(name="environment", differences=tuple(differences))


def _plain_facts(
    environment: Mapping[str, Any],
    recorded: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the facts that are one text each, as far as `recorded` has them."""
    names = [
        name
        for name in environment
        if name not in ENVIRONMENT_TABLES and (recorded is None or name in recorded)
    ]
    facts = {name: environment[name] for name in names}
    if recorded is None or "arithmetic" in recorded:
        for operation, digest in environment.get("arithmetic", {}).items():
            facts[f"results of {operation}"] = digest
    return facts


def _compare_files(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> list[Difference]:
    """Compare the files of the distributions that have the same version."""
    if "files" not in recorded:
        return []
    same_version = [
        name
        for name, version in recorded["distributions"].items()
        if current["distributions"].get(name) == version
    ]
    former_files = {f"files of {name}": recorded["files"][name] for name in same_version}
    files = {f"files of {name}": current["files"][name] for name in same_version}
    changed_names = {**recorded["changed_files"], **current["changed_files"]}
    for name in changed_names:
        former_files[name] = recorded["changed_files"].get(name, "as installed")
        files[name] = current["changed_files"].get(name, "as installed")
    return _compare_values(former_files, files)


def describe_uncompared(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the facts that an older passport does not have of its environment, as a note.

    >>> describe_uncompared({"simd": "AVX2"}, {"simd": "AVX2", "blas": "Haswell"})
    ('the environment was not compared in blas: the passport of the version does not have it',)
    """
    names = [name.replace("_", " ") for name in current if name not in recorded]
    if not names:
        return ()
    return (
        f"the environment was not compared in {', '.join(names)}:"
        " the passport of the version does not have it",
    )


def compare_configuration(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> Level:
    """Compare the configuration levels: settings, by value.

    The note of a difference names the origins of both values. A different origin alone is not a
    difference.

    >>> recorded = {"trees": {"value": 300, "origin": "default"}}
    >>> current = {"trees": {"value": 100, "origin": "STREAMFLOW_TREES"}}
    >>> print(compare_configuration(recorded, current).differences[0])
    trees: 300 -> 100 (default -> STREAMFLOW_TREES)
    >>> compare_configuration(recorded, {"trees": {"value": 300, "origin": "flag"}}).is_same
    True
    """
    differences = []
    for name in sorted({*recorded, *current}):
        former_setting = recorded.get(name)
        setting = current.get(name)
        if former_setting and setting and former_setting["value"] == setting["value"]:
            continue
        origins = [entry["origin"] for entry in (former_setting, setting) if entry]
        differences.append(
            Difference(
                what=name,
                recorded=_format_setting(former_setting),
                now=_format_setting(setting),
                note=" -> ".join(origins),
            )
        )
    return Level(name="configuration", differences=tuple(differences))


def compare_defaults(
    recorded: Mapping[str, Any],
    current: Mapping[str, Any],
) -> tuple[Difference, ...]:
    """Return the settings that nobody set, then and now, and whose values differ.

    >>> default, flag = {"origin": "default"}, {"origin": "flag"}
    >>> recorded = {"trees": {"value": 9, **flag}, "model": {"value": "baseline", **default}}
    >>> current = {"trees": {"value": 300, **default}, "model": {"value": "auto", **default}}
    >>> print(*compare_defaults(recorded, current))
    model: baseline -> auto (default -> default)
    """
    changed = compare_configuration(recorded, current).differences
    given_names = {
        name
        for name, setting in (*recorded.items(), *current.items())
        if setting["origin"] != DEFAULT
    }
    return tuple(difference for difference in changed if difference.what not in given_names)


def _format_setting(setting: Mapping[str, Any] | None) -> str | None:
    return None if setting is None else str(setting["value"])


def _compare_values(
    recorded: Mapping[str, Any],
    current: Mapping[str, Any],
    *,
    note: str = "",
) -> list[Difference]:
    """List the names whose values differ, or that only one of the mappings has."""
    differences = []
    for name in dict.fromkeys([*recorded, *current]):
        in_both = name in recorded and name in current
        if in_both and recorded[name] == current[name]:
            continue
        differences.append(
            Difference(
                what=name,
                recorded=_format_value(recorded, name),
                now=_format_value(current, name),
                note=note,
            )
        )
    return differences


def _format_value(values: Mapping[str, Any], name: str) -> str | None:
    return str(values[name]) if name in values else None


def _group_by_feature(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """Make one difference of all facts of a feature that was added or removed.

    The order of the features comes last.
    """
    grouped = list(_added_and_removed_features(differences))
    features = {difference.what for difference in grouped}
    order = []
    changed_facts = []
    for difference in differences:
        if _feature_of(difference) in features:
            continue
        if difference.what.startswith(ORDER_FACT):
            order.append(difference)
        else:
            changed_facts.append(difference)
    return (*grouped, *changed_facts, *order)


def _added_and_removed_features(differences: Sequence[Difference]) -> Iterator[Difference]:
    """Give a difference for each feature whose type exists in one of the catalogs only."""
    for difference in differences:
        is_one_sided = None in (difference.recorded, difference.now)
        if difference.what.endswith(TYPE_FACT) and is_one_sided:
            yield Difference(
                what=difference.what.removesuffix(TYPE_FACT),
                recorded=_format_definition(difference.recorded),
                now=_format_definition(difference.now),
            )


def _feature_of(difference: Difference) -> str:
    """Return the name of the feature: a fact is written as `view:feature fact`."""
    return difference.what.split(" ")[0]


def _format_definition(value: str | None) -> str | None:
    return None if value is None else "defined"


def _shorten_digests(files: Mapping[str, str]) -> dict[str, str]:
    return {name: digest[:SHOWN_DIGITS] for name, digest in files.items()}


def _describe_commit(code: Mapping[str, Any]) -> str:
    """Name the commit of a code level, as far as git knows it, and tell of uncommitted files."""
    commit = code.get("commit")
    if not commit:
        return "no commit"
    uncommitted = " with uncommitted changes" if code.get("dirty") else ""
    return f"commit {commit[:SHOWN_COMMIT_DIGITS]}{uncommitted}"
