"""What a stock `feast apply` or `feast teardown` can leave behind, and that it is mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Cluster
from feast import Entity, FeatureStore, FeatureView, Field, ValueType
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import (
    PostgreSQLSource,
)
from feast.types import Int64, String
from support.states import JANUARY_SERVED, in_state

from streamflow.features.live_tables import live_columns, name_in_project
from streamflow.platform import Platform
from streamflow.steps.data.migrate import migrate, plan_migration
from streamflow.steps.upkeep.doctor import doctor, repair

VIEW = "usage_agg_30d_fv"
OTHER_PROJECT = "somebody_else"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:feast")


@pytest.fixture
def served(cluster: Cluster, simulated_drops: Path, tmp_path: Path) -> Iterator[Platform]:
    with in_state(cluster, JANUARY_SERVED, simulated_drops, tmp_path / "home") as platform:
        _ = platform.features  # writes the files
        yield platform


def foreign_view(name: str, key: str) -> tuple[Entity, FeatureView]:
    """A view of somebody else's, with a key and a feature of its own."""
    entity = Entity(name=f"{key}_entity", join_keys=[key], value_type=ValueType.STRING)
    source = PostgreSQLSource(
        name="foreign", table="raw.users", timestamp_field="as_of", created_timestamp_column=""
    )
    fields = [Field(name=key, dtype=String), Field(name="trips", dtype=Int64)]
    return entity, FeatureView(
        name=name, entities=[entity], ttl=timedelta(days=1), schema=fields, source=source
    )


def open_stock_store(platform: Platform) -> FeatureStore:
    return FeatureStore(repo_path=str(platform.home / "feast"))


def tear_down(store: FeatureStore) -> None:
    store.teardown()


def apply_an_empty_repository(store: FeatureStore) -> None:
    objects: list[Any] = [*store.list_feature_services(), *store.list_feature_views()]
    store.apply([], objects_to_delete=objects, partial=False)


def define_a_view_anew(store: FeatureStore) -> None:
    view = store.get_feature_view(VIEW)
    store.apply([], objects_to_delete=[view], partial=False)
    store.apply(list(foreign_view(VIEW, "driver_id")))


def drop_the_live_table_alone(store: FeatureStore) -> None:
    view = store.get_feature_view(VIEW)
    store._get_provider().online_store.teardown(store.config, [view], [])


def wrong_subjects(platform: Platform) -> set[str]:
    found = doctor(platform.settings, now=lambda: datetime.now(UTC))
    return {finding.subject for finding in found if finding.is_wrong}


def live_rows(platform: Platform) -> list[tuple[Any, ...]]:
    return platform.connection.execute(f"SELECT * FROM online.{VIEW} ORDER BY 1").fetchall()


@pytest.mark.parametrize(
    "damage",
    [tear_down, apply_an_empty_repository, define_a_view_anew, drop_the_live_table_alone],
    ids=lambda damage: damage.__name__,
)
def test_doctor_mends_what_a_stock_feast_command_left(
    served: Platform, damage: Callable[[FeatureStore], None]
) -> None:
    before = live_rows(served)
    store = open_stock_store(served)
    damage(store)
    store.registry.write_engine.dispose()
    findings = [f for f in doctor(served.settings, now=lambda: datetime.now(UTC)) if f.is_wrong]
    assert {finding.subject for finding in findings} & {"live features", "Feast registry"}
    repairs = repair(served.settings, findings)
    assert not any(line.startswith("stopped") for line in repairs), repairs
    assert wrong_subjects(served) == set()
    assert live_rows(served) == before


def test_migrate_looks_at_what_is_really_there(served: Platform) -> None:
    store = open_stock_store(served)
    store.teardown()
    store.registry.write_engine.dispose()
    planned = plan_migration(served).changes
    assert f"Feast: missing view {VIEW}" in planned
    assert f"Feast: missing live table {VIEW}" in planned
    assert [change.split(":")[0] for change in migrate(served).changes] == ["Feast registry"]
    assert plan_migration(served).changes == ()
    assert migrate(served).changes == ()


def test_two_projects_with_a_view_of_the_same_name_do_not_touch_each_other(
    served: Platform, tmp_path: Path
) -> None:
    before = live_rows(served)
    text = (served.home / "feast" / "feature_store.yaml").read_text()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    model = served.catalog.model
    renamed = text.replace(f"project: {model}", f"project: {OTHER_PROJECT}")
    (foreign / "feature_store.yaml").write_text(renamed)
    store = FeatureStore(repo_path=str(foreign))
    store.apply(list(foreign_view(VIEW, "driver_id")))
    table = name_in_project(OTHER_PROJECT, VIEW)
    assert list(live_columns(served.connection, table)) == [
        "driver_id",
        "as_of",
        "known_at",
        "trips",
    ]
    assert live_rows(served) == before
    view = store.get_feature_view(VIEW)
    store._get_provider().teardown_infra(OTHER_PROJECT, [view], [])
    store.registry.write_engine.dispose()
    assert live_columns(served.connection, table) == {}
    assert live_rows(served) == before
    assert wrong_subjects(served) == set()
