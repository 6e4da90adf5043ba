# ruff: noqa: ARG002
# The signatures are Feast's.
"""The answer of our offline store: a read that runs when the caller asks for the rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import pyarrow as pa
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import (
    SavedDatasetPostgreSQLStorage,
)
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.saved_dataset import SavedDatasetStorage

from streamflow.database import Address
from streamflow.errors import FeastUnsupported
from streamflow.features.saved_datasets import check_target, write_dataset


# mypy cannot check this base class, because Feast is untyped to us.
class StreamflowRetrievalJob(RetrievalJob):  # type: ignore[misc]
    """A read that runs when the caller asks for the frame, and runs again at each request.

    Args:
        read_table: reads the rows.
        compose_sql: returns the query of the rows, if they are the answer of one query.
        full_feature_names: whether the feature columns are called `view__feature`.
        on_demand_feature_views: the views that Feast computes after the read.
        make_metadata: returns the features and keys that the caller requested.
    """

    def __init__(
        self,
        read_table: Callable[[], pa.Table],
        *,
        compose_sql: Callable[[], str] | None = None,
        full_feature_names: bool = False,
        on_demand_feature_views: list[OnDemandFeatureView] | None = None,
        make_metadata: Callable[[], RetrievalMetadata] | None = None,
    ) -> None:
        self._read_table = read_table
        self._compose_sql = compose_sql
        self._full_feature_names = full_feature_names
        self._on_demand_feature_views = on_demand_feature_views or []
        self._make_metadata = make_metadata

    @property
    def full_feature_names(self) -> bool:
        """Whether the feature columns are called `view__feature`."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """Return the views that Feast computes after the read."""
        return self._on_demand_feature_views

    @cached_property
    def metadata(self) -> RetrievalMetadata | None:
        """Return the features, the keys and the first and last instant of the request."""
        return self._make_metadata() if self._make_metadata else None

    def to_sql(self) -> str:
        """Return the query of the rows.

        Raises:
            FeastUnsupported: the rows are not the answer of one query.
        """
        if self._compose_sql is None:
            raise FeastUnsupported(
                "to_sql: historical features have no SQL, because polars joins the histories",
                remedy="Use to_arrow() or to_df(), or persist() for a table of PostgreSQL.",
            )
        return self._compose_sql()

    def persist(
        self,
        storage: SavedDatasetStorage,
        allow_overwrite: bool = False,
        timeout: int | None = None,
    ) -> None:
        """Write the rows, with the features that Feast computes, into a new table of PostgreSQL.

        Raises:
            FeastUnsupported: the storage is not a table of PostgreSQL, or is a table of ours.
            SavedDatasetLocationAlreadyExists: the table exists and must not be overwritten.
        """
        if not isinstance(storage, SavedDatasetPostgreSQLStorage):
            raise FeastUnsupported(
                f"persist: this store cannot write to a {type(storage).__name__}",
                remedy="Use SavedDatasetPostgreSQLStorage(table_ref='schema.table').",
            )
        table = storage.to_data_source().get_table_query_string()
        check_target(Address(), table, overwrite=allow_overwrite)
        write_dataset(Address(), table, self.to_arrow(), overwrite=allow_overwrite)

    def to_remote_storage(self) -> list[str]:
        """Refuse an export to files of a different machine."""
        raise FeastUnsupported(
            "to_remote_storage: this store exports no files",
            remedy="Use to_arrow() and write the file yourself, or persist().",
        )

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return self._read_table()

    def _to_df_internal(self, timeout: int | None = None) -> Any:
        return self._read_table().to_pandas()
