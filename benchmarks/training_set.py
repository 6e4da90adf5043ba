"""Time a training set: our offline store against Feast's own PostgreSQL store.

Both read the same rows in the same run: 7,043 users, two months, the default catalog, all features
as of the second month. Feast's own store gets plain tables with an index and fresh statistics
instead of our history views. PostgreSQL plans its query badly: it joins by nested loops over common
table expressions, whose size it cannot know. The third line forbids these loops
(`enable_nestloop = off`, which no user of Feast would know to set). That line shows the difference
between the two methods themselves.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from ratios import Ratio, record

if TYPE_CHECKING:
    import psycopg
    from feast import FeatureStore

    from streamflow.catalog import Catalog

USERS, RUNS = 7_043, int(os.environ.get("RUNS", "5"))
# A run is stopped after this time and counts as this long. No further run follows once all were so.
PATIENCE_S = int(os.environ.get("PATIENCE", "60"))
DROPS = (("2024-01-31", "2024-02-01"), ("2024-02-29", "2024-03-01"))
REQUIRED = 10.0
OURS, PEER, TUNED = (
    "streamflow",
    "Feast's PostgreSQL store",
    "Feast's PostgreSQL store, no nested loops",
)


def main() -> int:
    """Print the table; 1 when the ratio is below what is required."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from support.frozen import fresh_database

    from streamflow.database import attach

    with (
        tempfile.TemporaryDirectory() as home,
        attach(Path(home) / "home") as server,
        fresh_database(server.address) as connection,
        tempfile.TemporaryDirectory() as folder,
    ):
        ours, stock, catalog = _stores(connection, Path(folder))
        _set(connection, "statement_timeout", f"{PATIENCE_S}s")
        results = {
            OURS: _measure(_question(ours, catalog)),
            PEER: _measure(_question(stock, catalog)),
        }
        _set(connection, "enable_nestloop", "off")
        results[TUNED] = _measure(_question(stock, catalog))
        for store in (ours, stock):
            store.registry.write_engine.dispose()
    ratio = _print(results, len(catalog.features))
    return int(not record(Ratio(section="training_set", measure=PEER, value=ratio, bound=REQUIRED)))


def _print(results: dict[str, list[float]], features: int) -> float:
    """The table; the ratio of the peer, as it comes, to us."""
    ratios = {name: median(seconds) / median(results[OURS]) for name, seconds in results.items()}
    print(
        f"training set of {USERS:,} users, {features} features,"
        f" {len(DROPS)} months of history, warm"
    )
    print(f"{'store':<44}{'runs':>5}{'median s':>11}{'ratio':>8}")
    for name, seconds in results.items():
        stopped = ">" if median(seconds) >= PATIENCE_S else ""
        duration = stopped + format(median(seconds), ".3f")
        ratio = stopped + format(ratios[name], ".1f")
        print(f"{name:<44}{len(seconds):>5}{duration:>11}{ratio:>8}")
    print(f"at least {REQUIRED:.0f} is required of '{PEER}'")
    return ratios[PEER]


def _set(connection: psycopg.Connection, name: str, value: str) -> None:
    """A setting of every connection to come."""
    connection.execute(f"ALTER DATABASE {connection.info.dbname} SET {name} = '{value}'")


def _stores(
    connection: psycopg.Connection, folder: Path
) -> tuple[FeatureStore, FeatureStore, Catalog]:
    from feast import FeatureStore, RepoConfig
    from support.frozen import create_catalog_tables, stock_store_options

    from streamflow.catalog import load_catalog
    from streamflow.features.repository import FeatureRepository

    catalog = load_catalog(None)
    create_catalog_tables(connection, catalog)
    for table in sorted({view.table for view in catalog.views.values()}):
        _fill(connection, catalog, table)
    connection.execute("ANALYZE")
    repository = FeatureRepository(folder, catalog)
    repository.write({})
    repository.apply()
    repository.close()
    ours = FeatureStore(repo_path=str(folder))
    stock = FeatureStore(
        config=RepoConfig(
            project="peer",
            provider="local",
            registry=ours.config.registry_config,
            offline_store=stock_store_options(),
            online_store={"type": "sqlite", "path": str(folder / "unused.db")},
            entity_key_serialization_version=3,
        )
    )
    stock.apply(_plain_definitions(ours))
    return ours, stock, catalog


def _fill(connection: psycopg.Connection, catalog: Catalog, table: str) -> None:
    """Seeded values of the catalog's types, and a plain copy `public.<table>` for the peer."""
    from random import Random

    from support.frozen import freeze, instant

    columns = catalog.columns(table)
    random = Random(f"{table} 42")  # noqa: S311  # values of a benchmark
    draw: dict[str, Callable[[], Any]] = {
        "int": lambda: random.randrange(100),
        "float": lambda: random.random() * 100,
        "bool": lambda: random.random() < 0.5,
        "string": lambda: random.choice(["DSL", "Fiber optic", "No"]),
    }
    for as_of, known_at in DROPS:
        rows = (
            [f"{n:04d}-USER", *(draw[c.type]() for c in list(columns.values())[1:])]
            for n in range(USERS)
        )
        freeze(connection, table, instant(as_of), instant(known_at), list(columns), rows)
    connection.execute(
        f"CREATE TABLE public.{table} AS SELECT * FROM history.{table}"  # noqa: S608  # our names
    )
    connection.execute(f"CREATE INDEX ON public.{table} ({catalog.entity.key}, as_of)")


def _plain_definitions(store: FeatureStore) -> list[Any]:
    """The same views over the plain tables."""
    from feast import FeatureView
    from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import (
        PostgreSQLSource,
    )

    entity = store.get_entity("user")
    views = []
    for view in store.list_feature_views():
        name = view.batch_source.name
        source = PostgreSQLSource(
            name=name,
            table=f"public.{name}",
            timestamp_field="as_of",
            created_timestamp_column="known_at",
        )
        views.append(
            FeatureView(
                name=view.name, entities=[entity], ttl=view.ttl, schema=view.schema, source=source
            )
        )
    return [entity, *views]


def _question(store: FeatureStore, catalog: Catalog) -> Callable[[], int]:
    import pandas as pd
    from support.frozen import instant

    asked = pd.DataFrame(
        {
            catalog.entity.key: [f"{n:04d}-USER" for n in range(USERS)],
            "event_timestamp": instant(DROPS[-1][0]),
        }
    )
    refs = [feature.ref for feature in catalog.features]
    return lambda: int(
        store.get_historical_features(entity_df=asked, features=refs).to_arrow().num_rows
    )


def _measure(ask: Callable[[], int]) -> list[float]:
    """Seconds of each run after a first one that is not counted, unless it was stopped."""
    import psycopg

    seconds: list[float] = []
    while len(seconds) <= RUNS and sum(seconds) < PATIENCE_S:
        begin = time.perf_counter()
        with suppress(psycopg.errors.QueryCanceled):
            assert ask() == USERS
        seconds.append(time.perf_counter() - begin)
    return seconds[1:] or seconds


if __name__ == "__main__":
    sys.exit(main())
