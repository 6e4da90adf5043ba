"""Several rows per key: read, checked, kept, and aggregated as of the drop."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from support.chain import FEBRUARY, JANUARY, load
from support.events import (
    CATALOG_TEXT,
    USERS,
    aggregate_payments,
    random_payments,
    write_drop,
)

from streamflow.errors import CatalogInvalid, ContractViolation, EntityUnknown
from streamflow.platform import Platform
from streamflow.steps.data.forget import forget
from streamflow.steps.data.ingest import ingest
from streamflow.steps.data.materialize import materialize
from streamflow.steps.data.migrate import migrate
from streamflow.steps.data.snapshot import snapshot
from streamflow.steps.training.training_set import training_set

AGGREGATES = tuple(aggregate_payments([], JANUARY, "ada"))
Open = Callable[..., Platform]


@pytest.fixture
def shop(open_with: Open, tmp_path: Path) -> Callable[..., Platform]:
    """Open an installation whose catalog has events."""

    def opened(old: str = "", new: str = "", *, migrated: bool = True) -> Platform:
        path = tmp_path / "catalog.toml"
        assert old in CATALOG_TEXT
        path.write_text(CATALOG_TEXT.replace(old, new, 1), encoding="utf-8")
        platform = open_with(migrated=False, catalog=path)
        if migrated:
            migrate(platform)
        return platform

    return opened


def frozen_aggregates(platform: Platform, revision: int = 1) -> dict[str, tuple[object, ...]]:
    """User -> aggregates as they are frozen as of January."""
    names = ", ".join(AGGREGATES)
    rows = platform.connection.execute(
        f"SELECT user_id, {names} FROM frozen.payments WHERE as_of = %s AND revision = %s",  # noqa: S608
        [JANUARY, revision],
    )
    return {user: tuple(values) for user, *values in rows}


@pytest.mark.parametrize("seed", [1, 2])
def test_the_frozen_aggregates_are_those_of_plain_python_to_the_bit(
    shop: Callable[..., Platform], tmp_path: Path, seed: int
) -> None:
    lines = random_payments(seed, 400, JANUARY)
    platform = shop()
    load(platform, write_drop(tmp_path / "january", lines), JANUARY)
    expected = {
        user: tuple(map(repr, aggregate_payments(lines, JANUARY, user).values())) for user in USERS
    }
    found = {user: tuple(map(repr, values)) for user, values in frozen_aggregates(platform).items()}
    assert found == expected
