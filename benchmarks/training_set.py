"""Training-set time: our offline store against Feast's own PostgreSQL store, on the same rows in the same run.

7,043 users, two months, the default catalog, all features as of the second month. Feast's own store reads plain tables
with an index and fresh statistics: our history views, which it can read as well, are several times slower for it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg
    from feast import FeatureStore

    from streamflow.catalog import Catalog

USERS, RUNS = 7_043, 5
PATIENCE_S = 120.0  # the peer is not run again once its runs have taken this long
DROPS = (("2024-01-31", "2024-02-01"), ("2024-02-29", "2024-03-01"))
REQUIRED = 10.0


def main() -> int:
    """Print the table; 1 when the ratio is below what is required."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from support.frozen import fresh_database

    with fresh_database() as connection, tempfile.TemporaryDirectory() as folder:
        ours, stock, catalog = _stores(connection, Path(folder))
        results = {
            "streamflow": _measure(_question(ours, catalog)),
            "Feast's PostgreSQL store": _measure(_question(stock, catalog)),
        }
        _close(ours, stock)
    ratio = median(results["Feast's PostgreSQL store"]) / median(results["streamflow"])
    print(f"training set of {USERS:,} users, {len(catalog.features)} features, {len(DROPS)} months of history, warm")
    print(f"{'store':<28}{'runs':>5}{'median s':>11}{'best s':>10}")
    for name, seconds in results.items():
        print(f"{name:<28}{len(seconds):>5}{median(seconds):>11.3f}{min(seconds):>10.3f}")
    print(f"ratio {ratio:.1f} (at least {REQUIRED:.0f} is required)")
    return int(ratio < REQUIRED)


def _stores(connection: psycopg.Connection, folder: Path) -> tuple[FeatureStore, FeatureStore, Catalog]:
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
    random = Random(f"{table} 42")
    draw: dict[str, Callable[[], Any]] = {
        "int": lambda: random.randrange(100),
        "float": lambda: random.random() * 100,
        "bool": lambda: random.random() < 0.5,
        "string": lambda: random.choice(["DSL", "Fiber optic", "No"]),
    }
    for as_of, known_at in DROPS:
        rows = ([f"{n:04d}-USER", *(draw[c.type]() for c in list(columns.values())[1:])] for n in range(USERS))
        freeze(connection, table, instant(as_of), instant(known_at), list(columns), rows)
    connection.execute(f"CREATE TABLE public.{table} AS SELECT * FROM history.{table}")  # noqa: S608  # names of our catalog
    connection.execute(f"CREATE INDEX ON public.{table} ({catalog.entity.key}, as_of)")


def _plain_definitions(store: FeatureStore) -> list[Any]:
    """The same views over the plain tables."""
    from feast import FeatureView
    from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource

    entity = store.get_entity("user")
    views = []
    for view in store.list_feature_views():
        name = view.batch_source.name
        source = PostgreSQLSource(name=name, table=f"public.{name}", timestamp_field="as_of", created_timestamp_column="known_at")
        views.append(FeatureView(name=view.name, entities=[entity], ttl=view.ttl, schema=view.schema, source=source))
    return [entity, *views]


def _question(store: FeatureStore, catalog: Catalog) -> Callable[[], int]:
    import pandas as pd
    from support.frozen import instant

    asked = pd.DataFrame({catalog.entity.key: [f"{n:04d}-USER" for n in range(USERS)], "event_timestamp": instant(DROPS[-1][0])})
    refs = [feature.ref for feature in catalog.features]
    return lambda: int(store.get_historical_features(entity_df=asked, features=refs).to_arrow().num_rows)


def _measure(ask: Callable[[], int]) -> list[float]:
    """Seconds of each run after a first one that is not counted; fewer than RUNS when they take too long."""
    seconds: list[float] = []
    with _timed([]) as warm_up:
        assert ask() == USERS
    while len(seconds) < RUNS and sum(seconds) + sum(warm_up) < PATIENCE_S:
        with _timed(seconds):
            assert ask() == USERS
    return seconds or warm_up


@contextmanager
def _timed(seconds: list[float]) -> Iterator[list[float]]:
    begin = time.perf_counter()
    yield seconds
    seconds.append(time.perf_counter() - begin)


def _close(*stores: FeatureStore) -> None:
    for store in stores:
        store.registry.write_engine.dispose()


if __name__ == "__main__":
    sys.exit(main())
