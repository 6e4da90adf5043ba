"""Compare frozen rows with the row count and the digests that their revisions recorded.

Every step that decides something by frozen rows calls `require_intact`, so that rows which came
past the protection of the database decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from streamflow.core.data.counts import count_of
from streamflow.core.data.digest import BUCKET, Digester, RowsOutOfOrder, TableDigest
from streamflow.core.training.training_set import describe_revision
from streamflow.errors import SnapshotDamaged, SnapshotMissing
from streamflow.platform import Platform
from streamflow.progress import Progress
from streamflow.steps.data.frozen_reading import describe_place, list_files, read_frames
from streamflow.steps.data.loaded_rows import hold_loaded_rows, load
from streamflow.warehouse import frozen, lake_revisions
from streamflow.warehouse.frozen import Revision, RevisionKey
from streamflow.warehouse.lake_revisions import LakeRevision

if TYPE_CHECKING:
    from streamflow.spark.session import SparkEngine


class HasDigest(Protocol):
    """A revision as somebody has read it: its identity and the digest that it had then."""

    @property
    def revision_key(self) -> RevisionKey:
        """The table, date and number that identify the revision."""

    @property
    def digest(self) -> str:
        """The recorded digest of the rows of the revision."""


@contextmanager
def held_against_digests(
    platform: Platform,
    revisions: Iterable[HasDigest],
    *,
    state: str,
    engine: SparkEngine | None = None,
) -> Iterator[None]:
    """Verify revisions in a thread while the block reads their rows.

    Rows of the lake are loaded first, so that the block can read them in SQL. With an engine they
    are not: its workers read the files, and compute the digests.

    The error of the verification replaces an error of the block: damaged rows explain it.

    Args:
        platform: the open platform
        revisions: the revisions that the block reads
        state: what the error says about what is left behind
        engine: the session with whose workers the block reads rows of the lake

    Raises:
        SnapshotDamaged: the rows of a revision are not the recorded ones
        SnapshotMissing: a revision changed since it was looked up
    """
    read_revisions = list(revisions)
    if engine is None:
        load(platform, [revision.revision_key for revision in read_revisions])
    else:
        hold_loaded_rows(platform)
    stored_revisions = _look_up(platform, read_revisions, state)
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = pool.submit(find_damages, platform, stored_revisions, engine)
        try:
            yield
        finally:
            _require_none(platform, read_revisions, pending.result(), state)


def require_intact(platform: Platform, revisions: Iterable[HasDigest], *, state: str) -> None:
    """Raise SnapshotDamaged or SnapshotMissing as `held_against_digests` does."""
    with held_against_digests(platform, revisions, state=state):
        pass


def load_intact(platform: Platform, revisions: Sequence[HasDigest], *, state: str = "") -> None:
    """Let PostgreSQL have the rows of revisions, for SQL that decides something by them.

    With an engine, its workers have checked the rows in the lake, and nobody the copy that
    PostgreSQL has of the newest drop. So it is checked here.

    Raises:
        SnapshotDamaged, SnapshotMissing: see `held_against_digests`.
    """
    load(platform, [revision.revision_key for revision in revisions])
    if platform.settings.engine != "local":
        require_intact(platform, revisions, state=state)


def _look_up(platform: Platform, revisions: Sequence[HasDigest], state: str) -> list[Revision]:
    require_unchanged(platform, revisions, state=state)
    stored = frozen.revisions_by_key(platform.connection)
    return [stored[revision.revision_key] for revision in revisions]


def _require_none(
    platform: Platform,
    revisions: Sequence[HasDigest],
    damages: Sequence[str],
    state: str,
) -> None:
    """Raise the error for damages, unless `forget` or `prune` explains the difference."""
    require_unchanged(platform, revisions, state=state)
    if damages:
        raise SnapshotDamaged("\n".join(damages), state=state, violations=list(damages))


def require_unchanged(platform: Platform, revisions: Iterable[HasDigest], *, state: str) -> None:
    """Raise SnapshotMissing when a revision no longer has the digest that it was read with.

    A key that was forgotten while a command worked must not come back with what it writes.
    """
    stored = frozen.revisions_by_key(platform.connection)
    for revision in revisions:
        now = stored.get(revision.revision_key)
        if now is None or now.digest != revision.digest:
            raise SnapshotMissing(
                f"{describe_revision(*revision.revision_key)} was changed by 'forget' or 'prune' "
                "while it was read",
                state=state,
                remedy="Run the command again.",
            )


def find_damages(
    platform: Platform,
    revisions: Iterable[Revision],
    engine: SparkEngine | None = None,
) -> list[str]:
    """Describe each revision whose rows are not the recorded ones, without reporting progress.

    With an engine, its workers compute the digests of the revisions that lie in the lake. A copy
    that PostgreSQL has of such a revision is not checked: whoever reads it by SQL does that.
    """
    in_lake = lake_revisions.revisions_in_lake(platform.connection) if engine else {}
    here: list[Revision] = []
    by_workers: list[Revision] = []
    for revision in revisions:
        (by_workers if revision.revision_key in in_lake else here).append(revision)
    damages = _describe_damages(platform, here, platform.catalog.entity.key, None)
    if engine and by_workers:
        damages += _find_damages_in_lake(platform, engine, by_workers, in_lake)
    return damages


def _find_damages_in_lake(
    platform: Platform,
    engine: SparkEngine,
    revisions: Sequence[Revision],
    in_lake: Mapping[RevisionKey, LakeRevision],
) -> list[str]:
    """Describe revisions of the lake as `find_damages` does, by the workers of an engine."""
    from streamflow.steps.data.engine_digests import compute_digests

    key = platform.catalog.entity.key
    pairs = []
    for revision in revisions:
        recorded = frozen.stored_digest(platform.connection, revision)
        pairs.append((in_lake[revision.revision_key], recorded))
    descriptions = []
    results = compute_digests(platform, engine, pairs)
    for revision, (stored, recorded), result in zip(revisions, pairs, results, strict=True):
        if isinstance(result, str):
            description = f"{describe_revision(*revision.revision_key)}: {result}"
        else:
            description = describe_digest_difference(revision, result, recorded)
            if description:
                description += f"; they lie in {', '.join(list_files(platform, stored))}"
        descriptions.append(_describe_again(platform, revision, key, description))
    return [description for description in descriptions if description]


def describe_damaged_revisions(
    platform: Platform,
    revisions: Iterable[Revision],
    key: str,
) -> list[str]:
    """Describe each revision whose rows no longer have the digest that was recorded."""
    listed = list(revisions)
    row_count = sum(revision.rows for revision in listed)
    progress = Progress(platform.notify, "verifying frozen rows", row_count)
    return _describe_damages(platform, listed, key, progress)


def _describe_damages(
    platform: Platform,
    revisions: Iterable[Revision],
    key: str,
    progress: Progress | None,
) -> list[str]:
    descriptions = []
    for revision in revisions:
        description = _describe_damage(platform, revision, key, progress)
        descriptions.append(_describe_again(platform, revision, key, description))
    return [description for description in descriptions if description]


def _describe_again(platform: Platform, revision: Revision, key: str, description: str) -> str:
    """Describe a damage again if `forget` changed rows and record after the record was read."""
    if description:
        now = frozen.revisions_by_key(platform.connection).get(revision.revision_key)
        if now is not None and now != revision:
            return _describe_damage(platform, now, key, None)
    return description


def _describe_damage(
    platform: Platform,
    revision: Revision,
    key: str,
    progress: Progress | None,
) -> str:
    """Describe the damage of one revision; empty if its rows are the recorded ones."""
    recorded = frozen.stored_digest(platform.connection, revision)
    try:
        digest = _digest_revision(platform, revision, recorded, key, progress)
    except (SnapshotDamaged, SnapshotMissing) as exc:  # the lake does not have the file
        return exc.message
    except RowsOutOfOrder as exc:
        name = describe_revision(*revision.revision_key)
        return f"{name}: {exc}{describe_place(platform, revision.revision_key)}"
    difference = describe_digest_difference(revision, digest, recorded)
    return difference and difference + describe_place(platform, revision.revision_key)


def _digest_revision(
    platform: Platform,
    revision: Revision,
    recorded: TableDigest,
    key: str,
    progress: Progress | None,
) -> TableDigest:
    """Compute the digest of a revision from its frozen rows."""
    types = {column.name: column.type for column in recorded.columns}
    digester = Digester(key, types)
    for rows in read_frames(
        platform, revision.table, types, key, revision.as_of, revision.revision
    ):
        digester.update(rows, rows[BUCKET])
        if progress:
            progress.add(len(rows))
    return digester.finish()


def describe_digest_difference(
    revision: Revision,
    digest: TableDigest,
    recorded: TableDigest | None = None,
) -> str:
    """Say how the rows of a revision differ from the recorded ones; empty if they are equal.

    Args:
        revision: the revision with the recorded digest and row count
        digest: of the rows that are there now
        recorded: the recorded digests of the columns; they say in which columns values differ
    """
    if digest.value == revision.digest and digest.rows == revision.rows:
        return ""
    name = describe_revision(revision.table, revision.as_of, revision.revision)
    sentence = f"{name}: its rows have the digest {digest.value}, recorded is {revision.digest}"
    if digest.rows != revision.rows:
        return (
            f"{sentence}; there are {count_of(digest.rows, 'row')}, recorded are {revision.rows:,}"
        )
    columns = digest.changed_columns(recorded) if recorded else []
    return f"{sentence}; values differ in {', '.join(columns)}" if columns else sentence
