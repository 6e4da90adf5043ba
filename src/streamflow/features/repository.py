"""The feature repository: the folder that the `feast` command works on, and our access to Feast."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import unified_diff
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from streamflow.catalog import Catalog
from streamflow.database import Address, connect
from streamflow.database.locks import FEATURE_REGISTRY
from streamflow.errors import NotMigrated
from streamflow.features.definitions import definitions_py, store_yaml
from streamflow.features.feature_service import ServiceFeature, all_services, views_of
from streamflow.features.materialize import MaterializedView
from streamflow.features.own_files import OWN_FOLDER, OwnFolder
from streamflow.features.registry_content import (
    delete_orphaned_versions,
    delete_project,
    drop_live_tables,
    drop_unfit_tables,
    keep_on_error,
    list_objects,
    list_views,
)
from streamflow.features.registry_results import AppliedObjects, RegistryComparison
from streamflow.features.repository_files import read_text, replace_file

if TYPE_CHECKING:
    import polars as pl
    import psycopg
    import pyarrow as pa
    from feast import FeatureService, FeatureStore

Services = Mapping[str, Sequence[ServiceFeature]]
GENERATED_FILES = ("feature_store.yaml", "definitions.py")


class FeatureRepository:
    """The feature repository in `folder`.

    Feast connects by libpq's PG* environment variables, which must name our database.

    Call `close` at the end: the object holds one Feast store. It opens the store when it is first
    needed, because importing Feast takes seconds.
    """

    def __init__(
        self,
        folder: Path,
        catalog: Catalog,
        *,
        role: str | None = None,
        own_folder: OwnFolder | None = None,
    ) -> None:
        self.folder = folder
        self._catalog = catalog
        self._project = catalog.model
        self._role = role
        self._own_folder = own_folder or OwnFolder(path=folder / "none")
        self._feast_store: FeatureStore | None = None

    @property
    def is_written(self) -> bool:
        """Whether the folder contains a feature repository of this release.

        A store file without an owner is of an earlier release: with it, Feast would use tables of
        different names.
        """
        owner = f"  owner: {self._catalog.model}\n"
        store_file = read_text(self.folder / "feature_store.yaml")
        return owner in store_file and (self.folder / "definitions.py").is_file()

    def files(self, services: Services) -> dict[str, str]:
        """Return name -> text of the files that `write` writes.

        Raises:
            CatalogInvalid: a feature has a different type in the catalog and in a service.
            FeatureFileInvalid: a file of the owner cannot be read, or others can write it.
        """
        return {
            "feature_store.yaml": store_yaml(self._catalog, role=self._role),
            "definitions.py": definitions_py(self._catalog, services),
            **{file.copy_name: file.text for file in self._own_folder.read()},
        }

    def digest(self, services: Services) -> str:
        """Return the sha256 of the texts that `write` writes.

        If it is unchanged since the last `apply`, there is nothing to apply.
        """
        texts = [
            text if name in GENERATED_FILES else f"{name}\n{text}"
            for name, text in self.files(services).items()
        ]
        return sha256("\0".join(texts).encode()).hexdigest()

    def plan(self, services: Services) -> str:
        """Return the changes that `write` would make, as a unified diff. Empty: no changes."""
        lines: list[str] = []
        for name, text in {**self.files(services), **dict.fromkeys(self._old_copies(), "")}.items():
            present_lines = read_text(self.folder / name).splitlines(True)
            lines += unified_diff(present_lines, text.splitlines(True), name, name)
        return "".join(lines)

    def write(self, services: Services) -> bool:
        """Write the files that differ, and delete the copies of files that the owner removed.

        Each file is written whole or not at all.

        Returns:
            False when there was nothing to change.
        """
        changed_files = {
            name: text
            for name, text in self.files(services).items()
            if read_text(self.folder / name) != text
        }
        old_copies = self._old_copies()
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, text in changed_files.items():
            (self.folder / name).parent.mkdir(exist_ok=True)
            replace_file(self.folder / name, text)
        for name in old_copies:
            (self.folder / name).unlink(missing_ok=True)
        return bool(changed_files or old_copies)

    def _old_copies(self) -> list[str]:
        """Return the names of copies whose original the owner removed."""
        present = {file.copy_name for file in self._own_folder.read()}
        names = [f"{OWN_FOLDER}/{path.name}" for path in (self.folder / OWN_FOLDER).glob("*.py")]
        return sorted(set(names) - present)

    def apply(self) -> AppliedObjects:
        """Apply the definitions to Feast's registry and the live tables, as `feast apply` does.

        Only one of our processes does this at a time. After an error the registry is as it was.

        Raises:
            FeatureFileInvalid: a file of the owner, or an object of it, cannot be used.
        """
        return self._apply(lambda connection: delete_orphaned_versions(connection, self._project))

    def rebuild(self, services: Services) -> AppliedObjects:
        """Write and apply the definitions whatever stands in the registry and the live tables.

        What Feast's registry has of our project is deleted first, because a foreign object of the
        same name would block the apply. A live table that cannot hold the features of its view is
        dropped: `materialize` fills it again.

        Raises:
            FeatureFileInvalid: a file of the owner, or an object of it, cannot be used.
        """
        self.write(services)
        former_objects: set[str] = set()
        former_views: set[str] = set()

        def clear(connection: psycopg.Connection) -> None:
            former_objects.update(list_objects(connection, self._project))
            former_views.update(list_views(connection, self._project))
            delete_project(connection, self._project)
            drop_unfit_tables(connection, self._catalog, services)

        applied = self._apply(clear)
        with connect(Address()) as connection:
            drop_live_tables(connection, former_views - list_views(connection, self._project))
            removed = former_objects - list_objects(connection, self._project)
        return replace(applied, removed=sorted(removed))

    def _apply(self, prepare: Callable[[psycopg.Connection], None]) -> AppliedObjects:
        """Apply the definitions after a change of the registry that prepares it."""
        registry = _import_registry()
        with self._lock_registry(), connect(Address()) as connection:
            contents = registry.read_contents(self.folder, self._own_folder.read())
            self.close()
            with keep_on_error(connection, self._project):
                prepare(connection)
                connection.commit()
                removed = registry.apply_contents(self._get_store(), contents)
        return AppliedObjects(
            own_objects=[item.title for item in contents.own_objects], removed=removed
        )

    def compare_registry(self, services: Services) -> RegistryComparison:
        """Compare Feast's registry with the definitions.

        Of the owner's objects it is only asked whether the registry has them.

        Raises:
            FeatureFileInvalid: a file of the owner, or an object of it, cannot be used.
        """
        registry = _import_registry()
        contents = registry.read_contents(self.folder, self._own_folder.read())
        store = self._get_store()
        misfits = registry.describe_misfits(
            store,
            views_of(self._catalog, services),
            all_services(self._catalog, services),
            key=self._catalog.entity.key,
        )
        missing = registry.describe_missing(store, contents.own_objects)
        return RegistryComparison(
            misfits=[*misfits, *missing],
            own_objects=[item.title for item in contents.own_objects],
        )

    def record_materialization(self, views: Sequence[MaterializedView]) -> None:
        """Record in Feast's registry which instant of each view is materialized."""
        with self._lock_registry():
            as_of_by_view = {view.view: view.as_of for view in views}
            _import_registry().record_materialization(self._get_store(), as_of_by_view)

    def read_history(self, entities: pa.Table | pl.DataFrame, service: str) -> pa.Table:
        """Return the features of a service for each entity row, through Feast.

        Args:
            entities: (n, ·) the entity's key, event_timestamp and, to read values as known at an
                instant, known_at.
            service: name of the feature service.

        Returns:
            (n, ·) the columns of `entities`, then the features in the service's order. The rows are
            in the order of `entities`.

        Raises:
            NotMigrated: Feast's registry has no such feature service.
        """
        store = self._get_store()  # imports Feast, and must come before the imports below
        import pyarrow as pa
        from feast.errors import FeatureServiceNotFoundException

        try:
            feature_service = store.get_feature_service(service)
        except FeatureServiceNotFoundException as exc:
            raise NotMigrated(f"Feast's registry has no feature service '{service}'") from exc
        table = entities if isinstance(entities, pa.Table) else entities.to_arrow()
        answer = store.get_historical_features(
            entity_df=table.to_pandas(), features=feature_service
        ).to_arrow()
        return answer.select([*table.column_names, *_list_feature_names(feature_service)])

    def open(self) -> None:
        """Import Feast and open its store at once, before it is first needed."""
        self._get_store()

    def close(self) -> None:
        """Close Feast's database connections and forget its store."""
        if self._feast_store is not None:
            self._feast_store.registry.write_engine.dispose()
            self._feast_store = None

    def _get_store(self) -> FeatureStore:
        """Return the Feast store, and open it when it is not open."""
        if self._feast_store is None:
            self._feast_store = _import_registry().open_store(self.folder)
        return self._feast_store

    @contextlib.contextmanager
    def _lock_registry(self) -> Iterator[None]:
        """Make different processes of ours wait for the registry, because Feast has no lock."""
        with connect(Address(), autocommit=True) as connection:
            connection.execute(f"SELECT pg_advisory_lock({FEATURE_REGISTRY})")
            yield


def _import_registry() -> ModuleType:
    """Import the module that works with Feast, at the first need."""
    from streamflow.features.feast_import import without_typeguard

    with without_typeguard():
        from streamflow.features import registry
    return registry


def _list_feature_names(service: FeatureService) -> list[str]:
    """Return the names of the features of a Feast service, in its order."""
    return [
        feature.name
        for projection in service.feature_view_projections
        for feature in projection.features
    ]
