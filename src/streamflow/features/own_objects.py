"""The Feast objects that the files of the owner define, and the checks before they are applied."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from feast import FeatureService, FeatureView, OnDemandFeatureView
from feast.base_feature_view import BaseFeatureView
from feast.data_source import DataSource, PushSource
from feast.entity import Entity
from feast.labeling.label_view import LabelView
from feast.permissions.permission import Permission
from feast.project import Project
from feast.stream_feature_view import StreamFeatureView

from streamflow.errors import FeatureFileInvalid
from streamflow.features.definition_modules import DefinitionModules
from streamflow.features.live_tables import NEXT_SUFFIX

# What people call an object of each class. A class stands before those that it is derived from.
KIND_NAMES: Mapping[type, str] = {
    LabelView: "label view",
    StreamFeatureView: "stream feature view",
    OnDemandFeatureView: "on-demand view",
    FeatureView: "feature view",
    BaseFeatureView: "view",
    FeatureService: "feature service",
    Entity: "entity",
    DataSource: "source",
    Permission: "permission",
    Project: "project",
}
UNSUPPORTED = (LabelView, Permission, Project)
# A view's name is the name of its live table, which PostgreSQL cuts after 63 bytes.
VIEW_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


@dataclass(frozen=True, kw_only=True)
class OwnObject:
    """An object of Feast that a file of the owner defines.

    Attributes:
        path: The file.
        value: The object itself.
    """

    path: Path
    value: object

    @property
    def title(self) -> str:
        """Return kind and name, such as "feature view trips"."""
        return f"{name_kind(self.value)} {name_of(self.value)}"


def collect_generated(module: ModuleType) -> list[object]:
    """Return the Feast objects of the generated definitions."""
    return list(_feast_objects(module))


def collect_own(modules: DefinitionModules) -> list[OwnObject]:
    """Return the objects that the files of the owner define, each once.

    An object that a file imports belongs to the file that defines it. A source that only a view
    names is an object too.

    Raises:
        FeatureFileInvalid: a name is used twice, or a kind of object is not supported.
    """
    known_ids = {id(value) for value in collect_generated(modules.generated)}
    own_objects: list[OwnObject] = []
    for file, module in modules.own_modules:
        for value in _with_sources(_feast_objects(module)):
            if id(value) not in known_ids:
                known_ids.add(id(value))
                own_objects.append(OwnObject(path=file.path, value=value))
    for own_object in own_objects:
        _check_kind(own_object)
    _refuse_clashes(collect_generated(modules.generated), own_objects)
    return own_objects


def name_kind(value: object) -> str:
    """Return what people call an object of this class.

    Raises:
        StopIteration: it is no object of Feast.
    """
    return next(name for kind, name in KIND_NAMES.items() if isinstance(value, kind))


def name_of(value: object) -> str:
    """Return the name of a Feast object."""
    return str(getattr(value, "name", ""))


def _feast_objects(module: ModuleType) -> Iterator[object]:
    """Return the Feast objects among the names of a module, in alphabetical order."""
    for name in dir(module):
        value = getattr(module, name)
        if isinstance(value, tuple(KIND_NAMES)):
            yield value


def _with_sources(values: Iterator[object]) -> Iterator[object]:
    """Return each object, and the sources that it names."""
    for value in values:
        yield value
        sources = [getattr(value, "batch_source", None), getattr(value, "stream_source", None)]
        if isinstance(value, OnDemandFeatureView):
            sources += value.source_request_sources.values()
        for source in sources:
            if source is not None:
                yield source
            if isinstance(source, PushSource) and source.batch_source is not None:
                yield source.batch_source


def _check_kind(own_object: OwnObject) -> None:
    """Raise FeatureFileInvalid for a kind that is not supported, or a name that no table has."""
    if isinstance(own_object.value, UNSUPPORTED):
        raise FeatureFileInvalid(
            f"{own_object.path}: {own_object.title}: objects of this kind are not supported here",
            remedy="Remove it. docs/how-to/feast-objects.md lists what is supported.",
        )
    is_view = isinstance(own_object.value, BaseFeatureView)
    if is_view and not VIEW_NAME.fullmatch(name_of(own_object.value)):
        raise FeatureFileInvalid(
            f"{own_object.path}: {own_object.title}: the name of a view is also the name of a"
            " table, so it has at most 63 letters, digits and '_', and does not begin with a digit"
        )


def _refuse_clashes(generated: Sequence[object], own_objects: Sequence[OwnObject]) -> None:
    """Raise FeatureFileInvalid if two different objects have one name.

    Names of views differ in more than their case, because Feast asks for that.
    """
    owners = {
        key: f"the {name_kind(value)} '{name_of(value)}' that the catalog generates"
        for value in generated
        for key in _list_reserved_names(value)
    }
    for own_object in own_objects:
        key = _list_reserved_names(own_object.value)[0]
        title = f"the {name_kind(own_object.value)} '{name_of(own_object.value)}'"
        if key in owners:
            raise FeatureFileInvalid(
                f"{own_object.path}: {title} has the name of {owners[key]}",
                remedy="Give it a different name, or import the present object in its place.",
            )
        owners[key] = f"{title} of {own_object.path}"


def _list_reserved_names(value: object) -> list[tuple[str, str]]:
    """Return the kind and the name that an object takes, and those that it keeps for itself.

    A materialization fills a second table of each view.
    """
    name = name_of(value)
    if isinstance(value, BaseFeatureView):
        return [("view", name.casefold()), ("view", f"{name}{NEXT_SUFFIX}".casefold())]
    return [(name_kind(value), name)]
