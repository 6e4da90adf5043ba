# the signatures are Feast's; identifiers are quoted, relations the sources' own
"""Feast's offline store over the frozen histories: Arrow from PostgreSQL, joined as of each row's instant in polars.

Feast builds it from `feature_store.yaml`; it connects by libpq's PG* environment alone. Its sources are Feast's own
PostgreSQLSource over `history.<table>`. A column `known_at` in the entity frame is K, "as known at"; without it K is now.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal

from feast.data_source import DataSource
from feast.feature_view import FeatureView
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.offline_stores.offline_utils import (
    FeatureViewQueryContext,
    get_feature_view_query_context,
)
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.utils import compute_non_entity_date_range

from streamflow.database import Address, arrow
from streamflow.features.history_reads import (
    SUPERSEDED_AT,
    StreamflowRetrievalJob,
    WantedView,
    historical_features,
    quoted,
)


class StreamflowOfflineStoreConfig(FeastConfigBaseModel):  # type: ignore[misc]  # feast is untyped to us
    """`offline_store:` in feature_store.yaml. There is nothing to set."""

    type: Literal["streamflow.features.offline.StreamflowOfflineStore"] = (
        "streamflow.features.offline.StreamflowOfflineStore"
    )


class StreamflowOfflineStore(OfflineStore):  # type: ignore[misc]  # feast is untyped to us
    """Reads of the frozen histories, for Feast."""

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: Any,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        **kwargs: Any,
    ) -> RetrievalJob:
        """Join features to a pandas frame or a SQL query; without either, to every row between two instants."""
        never = datetime(2000, 1, 1, tzinfo=UTC)  # the bounds of the contexts are not used
        contexts = get_feature_view_query_context(
            feature_refs, feature_views, registry, project, (never, never)
        )
        views = [_wanted(context, full_feature_names) for context in contexts]
        if entity_df is None:
            entity_df = _every_row(
                views,
                *compute_non_entity_date_range(
                    feature_views, kwargs.get("start_date"), kwargs.get("end_date")
                ),
            )
        return StreamflowRetrievalJob(
            partial(historical_features, Address(), entity_df, views),
            full_feature_names=full_feature_names,
            on_demand_feature_views=OnDemandFeatureView.get_requested_odfvs(
                feature_refs, project, registry
            ),
            metadata=RetrievalMetadata(
                features=feature_refs, keys=sorted({key for view in views for key in view.keys})
            ),
        )

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """Every row between two instants (both included), as known now."""
        columns = _columns(
            join_key_columns, feature_name_columns, timestamp_field, created_timestamp_column
        )
        where, parameters = _between(timestamp_field, start_date, end_date)
        statement = (
            f"SELECT {columns} FROM {data_source.get_table_query_string()} AS history WHERE {where}"
        )
        return StreamflowRetrievalJob(partial(arrow.read, Address(), statement, parameters))

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        """The newest row of each key between two instants (both included), as known now."""
        columns = _columns(
            join_key_columns, feature_name_columns, timestamp_field, created_timestamp_column
        )
        keys = ", ".join(map(quoted, join_key_columns))
        where, parameters = _between(timestamp_field, start_date, end_date)
        statement = (
            f"SELECT DISTINCT ON ({keys}) {columns} FROM {data_source.get_table_query_string()} AS history"
            f" WHERE {where} ORDER BY {keys}, {quoted(timestamp_field)} DESC"
        )
        return StreamflowRetrievalJob(partial(arrow.read, Address(), statement, parameters))


def _wanted(context: FeatureViewQueryContext, full_feature_names: bool) -> WantedView:
    keys = dict(reversed(selection.split(" AS ")) for selection in context.entity_selections)
    names = {feature: context.field_mapping.get(feature, feature) for feature in context.features}
    return WantedView(
        name=context.name,
        relation=context.table_subquery,
        timestamp_field=context.timestamp_field,
        ttl=timedelta(seconds=context.ttl) if context.ttl else None,
        keys=keys,
        features={
            f"{context.name}__{name}" if full_feature_names else name: source
            for source, name in names.items()
        },
    )


def _every_row(views: list[WantedView], start: datetime, end: datetime) -> str:
    """SQL for the asking rows of a request without an entity frame: every key and as_of in the period."""
    period = f"BETWEEN '{_aware(start).isoformat()}' AND '{_aware(end).isoformat()}'"
    return " UNION ".join(
        f"SELECT {', '.join(f'{quoted(source)} AS {quoted(name)}' for name, source in view.keys.items())},"
        f" {quoted(view.timestamp_field)} AS event_timestamp FROM {view.relation} AS history"
        f" WHERE {quoted(view.timestamp_field)} {period} AND {SUPERSEDED_AT} IS NULL"
        for view in views
    )


def _columns(
    keys: list[str], features: list[str], timestamp_field: str, created_timestamp_column: str | None
) -> str:
    if not features:  # Feast's word for all columns
        return "*"
    created = [created_timestamp_column] if created_timestamp_column else []
    return ", ".join(map(quoted, dict.fromkeys([*keys, *features, timestamp_field, *created])))


def _between(
    timestamp_field: str, start: datetime | None, end: datetime | None
) -> tuple[str, list[datetime]]:
    conditions, parameters = [f"{SUPERSEDED_AT} IS NULL"], []
    for operator, bound in ((">=", start), ("<=", end)):
        if bound is not None:
            parameters.append(_aware(bound))
            conditions.append(f"{quoted(timestamp_field)} {operator} ${len(parameters)}")
    return " AND ".join(conditions), parameters


def _aware(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
