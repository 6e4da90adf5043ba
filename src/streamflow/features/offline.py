# ruff: noqa: ARG004
# The signatures are Feast's.
"""Feast's offline store over the frozen histories.

PostgreSQL returns the rows as Arrow, and polars joins them as of the instant of each entity row.

Feast creates the store from `feature_store.yaml`. The store connects only by libpq's PG*
environment variables. Its sources are Feast's own PostgreSQLSource: over `history.<table>`, or over
any table or query. A column `known_at` in the entity frame says at which instant the values of a
row must have been known. Without this column that instant is the present one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal

from feast.data_source import DataSource
from feast.feature_view import FeatureView
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.infra.offline_stores.offline_utils import (
    FeatureViewQueryContext,
    get_feature_view_query_context,
)
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import RepoConfig
from feast.utils import compute_non_entity_date_range

from streamflow.database import Address, arrow
from streamflow.features.entity_frame import find_period
from streamflow.features.feast_connection import FeastConnectionConfig
from streamflow.features.history_pulls import Pull, compose_all, compose_latest, pull
from streamflow.features.history_reads import Period, historical_features
from streamflow.features.history_rows import RequestedView
from streamflow.features.offline_refusals import RefusingOfflineStore
from streamflow.features.retrieval_job import StreamflowRetrievalJob


class StreamflowOfflineStoreConfig(FeastConnectionConfig):
    """The part `offline_store:` of feature_store.yaml. It has no settings."""

    # Feast finds the store's class by the module and the name of this one.
    type: Literal["streamflow.features.offline.StreamflowOfflineStore"] = (
        "streamflow.features.offline.StreamflowOfflineStore"
    )


class StreamflowOfflineStore(RefusingOfflineStore):
    """Reads the frozen histories for Feast."""

    supports_filter_by_created_timestamp = True

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
        returned. With `filter_by_created_timestamp` a row gets only values that were made before
        its instant.
        """
        unused_date = datetime(2000, 1, 1, tzinfo=UTC)  # we do not use the contexts' date range
        contexts = get_feature_view_query_context(
            feature_refs, feature_views, registry, project, (unused_date, unused_date)
        )
        views = [_create_requested_view(context, full_feature_names) for context in contexts]
        entities = entity_df
        if entity_df is None:
            first, last = compute_non_entity_date_range(
                feature_views, kwargs.get("start_date"), kwargs.get("end_date")
            )
            entities = (_to_utc(first), _to_utc(last))
        return StreamflowRetrievalJob(
            partial(
                historical_features,
                Address(),
                entities,
                views,
                created_before_instant=kwargs.get("filter_by_created_timestamp", False),
            ),
            full_feature_names=full_feature_names,
            on_demand_feature_views=OnDemandFeatureView.get_requested_odfvs(
                feature_refs, project, registry
            ),
            make_metadata=partial(_make_metadata, feature_refs, views, entities),
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
        return pull(
            compose_all,
            _make_pull(
                data_source,
                join_key_columns,
                feature_name_columns,
                (timestamp_field, created_timestamp_column),
                (start_date, end_date),
            ),
        )

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
        return pull(
            compose_latest,
            _make_pull(
                data_source,
                join_key_columns,
                feature_name_columns,
                (timestamp_field, created_timestamp_column),
                (start_date, end_date),
            ),
        )


def _make_pull(
    data_source: DataSource,
    keys: list[str],
    features: list[str],
    time_columns: tuple[str, str | None],
    period: tuple[datetime | None, datetime | None],
) -> Pull:
    """Describe what Feast wants of one source.

    Args:
        time_columns: the column of the instant, and that of the creation, if there is one.
        period: the first and the last instant; None: no limit.
    """
    timestamp_field, created_column = time_columns
    start, end = map(_to_utc, period)
    return Pull(
        relation=data_source.get_table_query_string(),
        keys=keys,
        features=features,
        timestamp_field=timestamp_field,
        created_column=created_column or None,
        start=start,
        end=end,
    )


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
        created_column=context.created_timestamp_column or None,
        ttl=timedelta(seconds=context.ttl) if context.ttl else None,
        keys=keys,
        features={f"{prefix}{name}": column for column, name in names_by_column.items()},
    )


def _make_metadata(
    feature_refs: list[str],
    views: list[RequestedView],
    entities: Any | Period,
) -> RetrievalMetadata:
    """Describe a request. For an entity frame that is a SQL query, the query is run."""
    is_period = isinstance(entities, tuple)
    first, last = entities if is_period else find_period(entities, partial(arrow.read, Address()))
    return RetrievalMetadata(
        features=feature_refs,
        keys=sorted({key for view in views for key in view.keys}),
        min_event_timestamp=first,
        max_event_timestamp=last,
    )


def _to_utc(instant: datetime | None) -> datetime | None:
    """Return an instant in UTC. An instant without a zone is taken as UTC."""
    if instant is None:
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
