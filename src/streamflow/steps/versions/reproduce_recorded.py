"""reproduce with the recorded code: check out its commit and run it on an export of the version.

It runs with a state folder of its own, and never touches the live database.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from streamflow import runtime
from streamflow.core.data.catalog_definitions import values_to_toml
from streamflow.core.data.counts import choose_form, count_of
from streamflow.core.data.difference import Difference
from streamflow.core.versions.level_comparison import Level
from streamflow.core.versions.passport import Passport
from streamflow.errors import NotRebuildable, StreamflowError
from streamflow.platform import Platform
from streamflow.runtime import Worktree, find_repository
from streamflow.settings import clean_environment
from streamflow.steps.observed import observed
from streamflow.steps.training.current_levels import read_current_levels
from streamflow.steps.versions.data_level import verify_frozen_rows
from streamflow.steps.versions.export import export
from streamflow.steps.versions.rebuild_verdict import name_result
from streamflow.steps.versions.recorded_artifacts import describe_changed_artifacts
from streamflow.steps.versions.recorded_version import (
    find_recorded_version,
    platform_with_recorded_catalog,
    without_progress,
)
from streamflow.steps.versions.registered_version import RecordedVersion
from streamflow.steps.versions.reproduce import (
    LevelVerdict,
    ReproduceReceipt,
    compare_levels,
    describe_gaps,
    verdict_of,
)

CATALOG = "catalog.toml"
AT_HAND_REMEDY = "Run 'streamflow reproduce VERSION' with the code at hand."


@observed("reproduce")
def reproduce_recorded(platform: Platform, version_or_run: str) -> ReproduceReceipt:
    """Make a version again with the code of the commit that trained it.

    The installed packages are those at hand. The commit runs in a worktree of the repository that
    this package is in, on an embedded PostgreSQL of its own, which an export of the version fills.

    Args:
        version_or_run: the number of the version, or the id of its run

    Raises:
        NotRebuildable: there is no repository or no commit, files were not committed, frozen rows
            were changed, or the commit has no command `import`
    """
    record = find_recorded_version(platform, version_or_run)
    root, commit = _find_commit(record.passport)
    data_level = _require_unchanged_data(platform, record)
    with TemporaryDirectory() as folder:
        platform.notify("exporting the version")
        file = Path(folder, "recorded.version")
        export(without_progress(platform), version_or_run, file)
        platform.notify(f"checking out {commit[:12]}")
        with runtime.check_out(root, commit, Path(folder, "worktree")) as tree:
            values = _run_recorded_code(platform, tree, Path(folder), file, record.passport)
    # The recorded code compares itself with the passport; the rest is compared here.
    current_levels = read_current_levels(platform)
    levels = {
        level.name: verdict_of(level)
        for level in (data_level, *compare_levels(record.passport, current_levels))
    }
    levels["code"] = _code_level(values)
    receipt = _parse_receipt(values)
    is_drifted = any(level.count for level in levels.values())
    return replace(
        receipt,
        result=name_result(receipt.result, is_drifted=is_drifted),
        version=record.version.version,
        run_id=record.version.run_id,
        code=commit,
        levels=tuple(levels.values()),
        tampered=(*record.tampered, *describe_changed_artifacts(platform, record)),
        notes=describe_gaps(record.passport, current_levels),
    )


def _require_unchanged_data(platform: Platform, record: RecordedVersion) -> Level:
    """Return the data level. Raises NotRebuildable when frozen rows were changed."""
    recorded_platform = platform_with_recorded_catalog(platform, record.passport)
    verified_rows = verify_frozen_rows(recorded_platform, record.passport, keeps_rows=False)
    level = verified_rows.level
    if not level.is_same:
        first = str(level.differences[0])
        raise NotRebuildable(
            f"data: {first}",
            missing=[first],
            remedy="The recorded code does not run on changed rows."
            " Run 'streamflow reproduce VERSION', which uses the code at hand.",
        )
    return level


def _describe_uncommitted(paths: Sequence[str]) -> str:
    """Say that files were not committed when the version was trained."""
    files = count_of(len(paths), "file")
    verb = choose_form(len(paths), "was", "were")
    return (
        f"code: {files} {verb} not committed when the version was trained, for example {paths[0]}"
    )


def _find_commit(passport: Passport) -> tuple[Path, str]:
    """Return the repository and the recorded commit.

    Raises NotRebuildable, with every reason, when the recorded code cannot be checked out.
    """
    commit = passport.code.get("commit")
    uncommitted = passport.code.get("dirty") or []
    root = find_repository()
    missing = []
    if not commit:
        missing.append(
            "code: no commit was recorded, because the package was not in a git repository"
            " when the version was trained"
        )
    if uncommitted:
        missing.append(_describe_uncommitted(uncommitted))
    if root is None:
        missing.append(
            "code: this package is not in a git repository,"
            " so the recorded commit cannot be checked out"
        )
    elif commit and not runtime.has_commit(root, commit):
        missing.append(f"code: the repository {root} has no commit {commit}")
    if missing:
        raise NotRebuildable("\n".join(missing), missing=missing, remedy=AT_HAND_REMEDY)
    assert root is not None
    assert commit is not None
    return root, commit


def _run_recorded_code(
    platform: Platform,
    tree: Worktree,
    folder: Path,
    file: Path,
    passport: Passport,
) -> Mapping[str, Any]:
    """Import and reproduce the version with the recorded code, and return its receipt as JSON."""
    catalog_file = folder / CATALOG
    catalog_file.write_text(values_to_toml(passport.features["catalog"]), encoding="utf-8")
    home = folder / "state"
    options = ["--quiet", "--home", str(home), "--catalog", str(catalog_file)]
    environment = clean_environment()
    try:
        platform.notify("importing the version with the recorded code")
        command = ["import", str(file)]
        receipt = _run_command(tree, options, command, environment, exit_codes=(0,))
        platform.notify("reproducing the version with the recorded code")
        command = ["reproduce", str(receipt["version"])]
        return _run_command(tree, options, command, environment, exit_codes=(0, 1))
    finally:
        if home.exists():
            tree.run("streamflow.database.remove", str(home), environment=environment)


def _run_command(
    tree: Worktree,
    options: list[str],
    command: list[str],
    environment: Mapping[str, str],
    *,
    exit_codes: tuple[int, ...],
) -> Mapping[str, Any]:
    """Run a streamflow command of the recorded code, and return the JSON that it prints."""
    process = tree.run("streamflow", *options, *command, "--json", environment=environment)
    if process.returncode == 2:
        raise NotRebuildable(
            f"code: the recorded commit has no command '{command[0]}'", missing=["code"]
        )
    if process.returncode not in exit_codes:
        raise StreamflowError(
            f"the recorded code ended with exit code {process.returncode}:"
            f" {process.stderr.strip()}",
            remedy=AT_HAND_REMEDY,
        )
    receipt: Mapping[str, Any] = json.loads(process.stdout)
    return receipt


def _code_level(values: Mapping[str, Any]) -> LevelVerdict:
    """Return the code level as the recorded code compares itself with the passport."""
    level = next(level for level in values["levels"] if level["name"] == "code")
    differences = tuple(Difference(**difference) for difference in level["differences"])
    return LevelVerdict(**{**level, "differences": differences})


def _parse_receipt(values: Mapping[str, Any]) -> ReproduceReceipt:
    """Parse the receipt of the recorded code; fields that this code does not know are left out."""
    fields = ReproduceReceipt.__dataclass_fields__
    known_values = {name: values[name] for name in fields if name in values}
    for name in ("as_of", "label_as_of", "known_at"):
        known_values[name] = datetime.fromisoformat(values[name])
    known_values["differences"] = tuple(values["differences"])
    return ReproduceReceipt(**known_values)
