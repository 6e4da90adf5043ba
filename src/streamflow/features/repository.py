"""The feature repository: a folder that the `feast` command works on, and Feast itself, used from within."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from streamflow.catalog import Catalog
from streamflow.database import Address, connect
from streamflow.errors import NotMigrated
from streamflow.features.definitions import definitions_py, store_yaml
from streamflow.features.feature_service import ServiceFeature
from streamflow.features.materialize import MaterializedView

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa
    from feast import FeatureStore

Services = Mapping[str, Sequence[ServiceFeature]]


class FeatureRepository:
    """The repository in `folder`. Feast connects by libpq's PG* environment, which must name our database.

    `close` it: it holds one Feast store, made at the first need (importing Feast takes seconds).
    """

    def __init__(self, folder: Path, catalog: Catalog, *, role: str | None = None) -> None:
        self.folder = folder
        self._catalog = catalog
        self._role = role
        self._opened: FeatureStore | None = None

    @property
    def is_written(self) -> bool:
        """Whether the folder holds a repository."""
        return all(
            (self.folder / name).is_file() for name in ("feature_store.yaml", "definitions.py")
        )

    def files(self, services: Services) -> dict[str, str]:
        """Name -> text of what `write` writes. Raises CatalogInvalid when a feature has two types."""
        return {
            "feature_store.yaml": store_yaml(self._catalog, role=self._role),
            "definitions.py": definitions_py(self._catalog, services),
        }

    def digest(self, services: Services) -> str:
        """The sha256 of what `write` writes: where it is unchanged since the last `apply`, there is nothing to apply."""
        return sha256("\0".join(self.files(services).values()).encode()).hexdigest()

    def plan(self, services: Services) -> str:
        """What `write` would change in the files, as a unified diff; empty when nothing."""
        return "".join(
            line
            for name, text in self.files(services).items()
            for line in unified_diff(
                _text(self.folder / name).splitlines(True), text.splitlines(True), name, name
            )
        )

    def write(self, services: Services) -> bool:
        """Write the files, each at once or not at all; False when they are as they should be."""
        changed = {
            name: text
            for name, text in self.files(services).items()
            if _text(self.folder / name) != text
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, text in changed.items():
            _replace(self.folder / name, text)
        return bool(changed)

    def apply(self) -> None:
        """Bring the registry and the live tables to what the files say, as `feast apply` does, one process at a time."""
        with self._alone():
            self.close()
            _registry().apply_definitions(self._store(), self.folder / "definitions.py")

    def record(self, views: Sequence[MaterializedView]) -> None:
        """Tell Feast's registry what has been materialized."""
        with self._alone():
            _registry().record_materialization(
                self._store(), {view.view: view.as_of for view in views}
            )

    def views(self) -> list[str]:
        """The feature views that Feast's registry knows, by name."""
        return sorted(view.name for view in self._store().list_feature_views())

    def service_names(self) -> list[str]:
        """The feature services that Feast's registry knows, by name."""
        return sorted(service.name for service in self._store().list_feature_services())

    def history(self, entities: pa.Table | pl.DataFrame, service: str) -> pa.Table:
        """The features of a service for each asking row, through Feast.

        entities  (n, ·)  the entity's key, event_timestamp and, for "as known at", known_at
        returns   (n, ·)  the same columns, then the features in the service's order; rows in the order of `entities`
        """
        store = self._store()  # imports Feast
        import pyarrow as pa
        from feast.errors import FeatureServiceNotFoundException

        try:
            wanted = store.get_feature_service(service)
        except FeatureServiceNotFoundException as exc:
            raise NotMigrated(f"Feast's registry knows no feature service '{service}'") from exc
        asked = entities if isinstance(entities, pa.Table) else entities.to_arrow()
        answer = store.get_historical_features(
            entity_df=asked.to_pandas(), features=wanted
        ).to_arrow()
        names = [
            feature.name
            for projection in wanted.feature_view_projections
            for feature in projection.features
        ]
        return answer.select([*asked.column_names, *names])

    def open(self) -> None:
        """Import Feast and open its store now, and not at the first need."""
        self._store()

    def close(self) -> None:
        """Let go of Feast's connections."""
        if self._opened is not None:
            self._opened.registry.write_engine.dispose()
            self._opened = None

    def _store(self) -> FeatureStore:
        if self._opened is None:
            self._opened = _registry().open_store(self.folder)
        return self._opened

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes of ours away from the registry: Feast itself has no lock."""
        with connect(Address(), autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(hashtextextended('streamflow.feast', 0))")
            yield


def _registry() -> ModuleType:
    """The module that works with Feast, imported at the first need."""
    from streamflow.features.feast_import import unchecked

    with unchecked():
        from streamflow.features import registry
    return registry


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _replace(path: Path, text: str) -> None:
    """Write a file atomically: another process reads the old one or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
