# ruff: noqa: ARG004, S608
# The signatures are Feast's. In the SQL identifiers are quoted, and relations are the sources' own.
"""Feast's offline store over the frozen histories.

PostgreSQL returns the rows as Arrow, and polars joins them as of the instant of each entity row.

Feast creates the store from `feature_store.yaml`. The store connects only by libpq's PG*
environment variables. Its sources are Feast's own PostgreSQLSource over `history.<table>`. A column
`known_at` in the entity frame says at which instant the values of a row must have been known.
Without this column that instant is the present one.
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
    RequestedView,
    StreamflowRetrievalJob,
    historical_features,
    quote_identifier,
)


# mypy cannot check the base classes below, because Feast is untyped to us.
class StreamflowOfflineStoreConfig(FeastConfigBaseModel):  # type: ignore[misc]
    """The part `offline_store:` of feature_store.yaml. It has no settings."""

    type: Literal["streamflow.features.offline.StreamflowOfflineStore"] = (
        "streamflow.features.offline.StreamflowOfflineStore"
    )


class StreamflowOfflineStore(OfflineStore):  # type: ignore[misc]
    """Reads the frozen histories for Feast."""

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
        """Join features to the rows of a pandas frame or of a SQL query.

        Without an entity frame the features of every row between `start_date` and `end_date` are
        returned.
        """
        unused_date = datetime(2000, 1, 1, tzinfo=UTC)  # we do not use the contexts' date range
        contexts = get_feature_view_query_context(
            feature_refs, feature_views, registry, project, (unused_date, unused_date)
        )
        views = [_create_requested_view(context, full_feature_names) for context in contexts]
        if entity_df is None:
            start, end = compute_non_entity_date_range(
                feature_views, kwargs.get("start_date"), kwargs.get("end_date")
            )
            entity_df = _compose_entity_query(views, start, end)
        keys = {key for view in views for key in view.keys}
        return StreamflowRetrievalJob(
            partial(historical_features, Address(), entity_df, views),
            full_feature_names=full_feature_names,
            on_demand_feature_views=OnDemandFeatureView.get_requested_odfvs(
                feature_refs, project, registry
            ),
            metadata=RetrievalMetadata(features=feature_refs, keys=sorted(keys)),
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
        """Read every row between two instants, both included, as known at present."""
        columns = _compose_columns(
            join_key_columns,
            feature_name_columns,
            timestamp_field,
            created_timestamp_column,
        )
        condition, parameters = _compose_period(timestamp_field, start_date, end_date)
        relation = data_source.get_table_query_string()
        statement = f"SELECT {columns} FROM {relation} AS history WHERE {condition}"
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
        """Read the newest row of each key between two instants, both included.

        The rows are those that are known at present.
        """
        columns = _compose_columns(
            join_key_columns,
            feature_name_columns,
            timestamp_field,
            created_timestamp_column,
        )
        keys = ", ".join(map(quote_identifier, join_key_columns))
        condition, parameters = _compose_period(timestamp_field, start_date, end_date)
        relation = data_source.get_table_query_string()
        statement = (
            f"SELECT DISTINCT ON ({keys}) {columns} FROM {relation} AS history"
            f" WHERE {condition} ORDER BY {keys}, {quote_identifier(timestamp_field)} DESC"
        )
        return StreamflowRetrievalJob(partial(arrow.read, Address(), statement, parameters))


def _create_requested_view(
    context: FeatureViewQueryContext,
    full_feature_names: bool,
) -> RequestedView:
    """Create a RequestedView from Feast's description of a requested view."""
    keys = dict(reversed(selection.split(" AS ")) for selection in context.entity_selections)
    names_by_column = {
        feature: context.field_mapping.get(feature, feature) for feature in context.features
    }
    prefix = f"{context.name}__" if full_feature_names else ""
    return RequestedView(
        name=context.name,
        relation=context.table_subquery,
        timestamp_field=context.timestamp_field,
        ttl=timedelta(seconds=context.ttl) if context.ttl else None,
        keys=keys,
        features={f"{prefix}{name}": column for column, name in names_by_column.items()},
    )


def _compose_entity_query(views: list[RequestedView], start: datetime, end: datetime) -> str:
    """Compose the entity frame of a request without one: every key and as_of in the period."""
    first = _to_utc(start).isoformat()
    last = _to_utc(end).isoformat()
    queries = []
    for view in views:
        keys = ", ".join(
            f"{quote_identifier(source)} AS {quote_identifier(name)}"
            for name, source in view.keys.items()
        )
        timestamp = quote_identifier(view.timestamp_field)
        queries.append(
            f"SELECT {keys}, {timestamp} AS event_timestamp FROM {view.relation} AS history"
            f" WHERE {timestamp} BETWEEN '{first}' AND '{last}' AND {SUPERSEDED_AT} IS NULL"
        )
    return " UNION ".join(queries)


def _compose_columns(
    keys: list[str],
    features: list[str],
    timestamp_field: str,
    created_timestamp_column: str | None,
) -> str:
    """Compose the columns of a SELECT. Without features these are all columns, as Feast defines."""
    if not features:
        return "*"
    created = [created_timestamp_column] if created_timestamp_column else []
    return ", ".join(
        map(quote_identifier, dict.fromkeys([*keys, *features, timestamp_field, *created]))
    )


def _compose_period(
    timestamp_field: str,
    start: datetime | None,
    end: datetime | None,
) -> tuple[str, list[datetime]]:
    """Compose the condition for the newest rows of a period, with its parameters."""
    conditions = [f"{SUPERSEDED_AT} IS NULL"]
    parameters = []
    for operator, bound in ((">=", start), ("<=", end)):
        if bound is not None:
            parameters.append(_to_utc(bound))
            conditions.append(f"{quote_identifier(timestamp_field)} {operator} ${len(parameters)}")
    return " AND ".join(conditions), parameters


def _to_utc(instant: datetime) -> datetime:
    """Return an instant in UTC. An instant without a zone is taken as UTC."""
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
