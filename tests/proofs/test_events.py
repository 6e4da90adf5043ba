"""Hundreds of drops of random events: PostgreSQL, polars and plain Python agree to the bit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from support.chain import JANUARY, load
from support.events import CATALOG_TEXT, USERS, aggregate_payments, random_payments, write_drop

from streamflow.platform import Platform
from streamflow.steps.data.migrate import migrate

DRAWS = 200


def test_the_aggregates_of_random_drops(open_with: Callable[..., Platform], tmp_path: Path) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text(CATALOG_TEXT, encoding="utf-8")
    platform = open_with(migrated=False, catalog=path)
    migrate(platform)
    names = ", ".join(aggregate_payments([], JANUARY, "ada"))
    query = f"SELECT user_id, {names} FROM frozen.payments WHERE as_of = %s"
    for seed in range(DRAWS):
        as_of = JANUARY + timedelta(days=seed)
        lines = random_payments(seed, seed * 3, as_of)
        load(platform, write_drop(tmp_path / str(seed), lines), as_of)
        rows = platform.connection.execute(query, [as_of])
        found = {user: list(map(repr, values)) for user, *values in rows}
        expected = {
            user: list(map(repr, aggregate_payments(lines, as_of, user).values())) for user in USERS
        }
        assert found == expected, f"seed {seed}"
