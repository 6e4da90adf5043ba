"""reproduce with the recorded code: its commit in a worktree, the version in a state folder of its own, never the live database."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from streamflow import runtime
from streamflow.core.data.catalog_definitions import catalog_toml
from streamflow.core.data.difference import Difference
from streamflow.core.versions.passport import Passport
from streamflow.errors import NotRebuildable, StreamflowError
from streamflow.platform import Platform
from streamflow.runtime import Worktree, repository
from streamflow.settings import clean_environment
from streamflow.steps.training.current_levels import present
from streamflow.steps.versions.data_level import examine
from streamflow.steps.versions.export import export
from streamflow.steps.versions.recorded_version import recorded, with_catalog
from streamflow.steps.versions.reproduce import (
    LevelVerdict,
    ReproduceReceipt,
    changed_artifacts,
    compare_levels,
    verdict_of,
)

Notify = Callable[[str], None]
CATALOG = "catalog.toml"


def reproduce_recorded(
    platform: Platform, which: str, *, notify: Notify = lambda _: None
) -> ReproduceReceipt:
    """Make a version again with the code of the commit that trained it, and what is installed here.

    It runs in a worktree of the repository that this package is in, on an embedded PostgreSQL of its own, filled by an
    export of the version. Raises NotRebuildable without repository or commit, when files were uncommitted, when frozen rows
    were changed, and when that commit has no `import`.
    """
    record = recorded(platform, which)
    root, commit = _commit(record.passport)
    data = examine(with_catalog(platform, record.passport), record.passport, notify=notify).level
    if not data.same:
        first = str(data.differences[0])
        raise NotRebuildable(
            f"data: {first}",
            missing=[first],
            remedy="Run 'streamflow reproduce VERSION': the code at hand is not handed damaged rows.",
        )
    with TemporaryDirectory() as folder:
        notify("exporting the version")
        file = Path(folder, "recorded.version")
        export(platform, which, file)
        notify(f"checking out {commit[:12]}")
        with runtime.checked_out(root, commit, Path(folder, "worktree")) as tree:
            said = _run(tree, Path(folder), file, record.passport, notify)
    others = compare_levels(record.passport, present(platform))
    levels = (
        verdict_of(data),
        *(_code(said) if one.name == "code" else verdict_of(one) for one in others),
    )
    tampered = (*record.tampered, *changed_artifacts(platform, record))
    made, version = _receipt(said), record.version
    return replace(
        made,
        version=version.version,
        run_id=version.run_id,
        code=commit,
        levels=levels,
        tampered=tampered,
    )


def _commit(passport: Passport) -> tuple[Path, str]:
    """The repository and the recorded commit."""
    commit, dirty, root = (
        passport.code.get("commit"),
        passport.code.get("dirty") or [],
        repository(),
    )
    missing = []
    if not commit:
        missing.append(
            "code: no commit was recorded: the package was in no git repository when the version was trained"
        )
    if dirty:
        missing.append(
            f"code: {len(dirty)} files were not committed when the version was trained, such as {dirty[0]}"
        )
    if root is None:
        missing.append(
            "code: this package is in no git repository, so no other commit of it is to be had"
        )
    elif commit and not runtime.has_commit(root, commit):
        missing.append(f"code: the repository {root} has no commit {commit}")
    if missing:
        raise NotRebuildable(
            "\n".join(missing),
            missing=missing,
            remedy="Run 'streamflow reproduce VERSION' with the code at hand.",
        )
    assert root is not None
    assert commit is not None
    return root, commit


def _run(
    tree: Worktree, folder: Path, file: Path, passport: Passport, notify: Notify
) -> Mapping[str, Any]:
    """Import and reproduce with the recorded code; what it says, as JSON."""
    (folder / CATALOG).write_text(catalog_toml(passport.features["catalog"]), encoding="utf-8")
    home = folder / "state"
    before = ["streamflow", "--quiet", "--home", str(home), "--catalog", str(folder / CATALOG)]
    environment = clean_environment()
    try:
        notify("importing it with the recorded code")
        version = _json(tree, [*before, "import", str(file), "--json"], environment, codes=(0,))[
            "version"
        ]
        notify("reproducing it with the recorded code")
        return _json(
            tree, [*before, "reproduce", str(version), "--json"], environment, codes=(0, 1)
        )
    finally:
        if home.exists():
            tree.run("streamflow.database.remove", str(home), environment=environment)


def _json(
    tree: Worktree, arguments: list[str], environment: Mapping[str, str], *, codes: tuple[int, ...]
) -> Mapping[str, Any]:
    done = tree.run(*arguments, environment=environment)
    if done.returncode == 2:
        command = arguments[5]
        raise NotRebuildable(
            f"code: the recorded commit has no command '{command}'", missing=["code"]
        )
    if done.returncode not in codes:
        raise StreamflowError(
            f"the recorded code ended with {done.returncode}: {done.stderr.strip()}",
            remedy="Run 'streamflow reproduce VERSION' with the code at hand.",
        )
    said: Mapping[str, Any] = json.loads(done.stdout)
    return said


def _code(said: Mapping[str, Any]) -> LevelVerdict:
    """The code level as the recorded code sees itself."""
    found = next(level for level in said["levels"] if level["name"] == "code")
    return LevelVerdict(
        **{**found, "differences": tuple(Difference(**d) for d in found["differences"])}
    )


def _receipt(said: Mapping[str, Any]) -> ReproduceReceipt:
    """The receipt of the recorded code: fields that this code does not know are left out."""
    instants = {
        name: datetime.fromisoformat(said[name]) for name in ("as_of", "label_as_of", "known_at")
    }
    known = {name: said[name] for name in ReproduceReceipt.__dataclass_fields__ if name in said}
    return ReproduceReceipt(**{**known, **instants, "differences": tuple(said["differences"])})
