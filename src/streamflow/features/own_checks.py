"""Check each object of the owner as Feast will at the apply, so that an error names its file.

Feast completes some objects while it checks them, such as a view without a schema. The apply then
finds them complete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from feast import FeatureService, FeatureView, OnDemandFeatureView
from feast.base_feature_view import BaseFeatureView
from feast.entity import Entity
from feast.feature_view import DUMMY_ENTITY
from feast.inference import (
    update_data_sources_with_inferred_event_timestamp_col,
    update_feature_views_with_inferred_features_and_entities,
)
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import (
    PostgreSQLSource,
)
from feast.infra.provider import get_provider
from feast.repo_config import RepoConfig

from streamflow.errors import FeatureFileInvalid, StreamflowError
from streamflow.features.online import find_live_columns
from streamflow.features.own_objects import OwnObject, name_of

FUNCTION_REMEDY = (
    "Feast stores the text of the function alone, and runs it where only pd and np are defined:"
    " import inside of the function whatever else it needs. Then run 'streamflow migrate' again."
)


@dataclass(frozen=True, kw_only=True)
class _Repository:
    """What the checks of one object need to know of the others."""

    config: RepoConfig
    entities: Sequence[Entity]
    views: Mapping[str, BaseFeatureView]


def check_objects(
    config: RepoConfig,
    generated: Sequence[object],
    own_objects: Sequence[OwnObject],
) -> None:
    """Check the objects of the owner, those first that others are made of.

    Args:
        config: the configuration of the feature repository.
        generated: the objects that the catalog generates.
        own_objects: the objects of the owner.

    Raises:
        FeatureFileInvalid: Feast or one of our stores cannot use an object.
    """
    values = [*generated, *(own_object.value for own_object in own_objects)]
    views = [value for value in values if isinstance(value, BaseFeatureView)]
    repository = _Repository(
        config=config,
        entities=[*(value for value in values if isinstance(value, Entity)), DUMMY_ENTITY],
        views={name_of(view): view for view in views},
    )
    checks: tuple[tuple[type, Callable[[_Repository, OwnObject], None]], ...] = (
        (FeatureView, _check_view),
        (OnDemandFeatureView, _check_on_demand_view),
        (FeatureService, _check_service),
    )
    for kind, check in checks:
        for own_object in own_objects:
            if isinstance(own_object.value, kind):
                _check(repository, own_object, check)


def _check(
    repository: _Repository,
    own_object: OwnObject,
    check: Callable[[_Repository, OwnObject], None],
) -> None:
    """Check one object, and let an error name it and its file."""
    try:
        check(repository, own_object)
    except (FeatureFileInvalid, psycopg.OperationalError):
        raise
    except StreamflowError as exc:
        raise _invalid(own_object, exc.message, remedy=exc.remedy) from exc
    except Exception as exc:
        raise _invalid(own_object, f"{type(exc).__name__}: {exc}") from exc


def _invalid(own_object: OwnObject, text: str, *, remedy: str | None = None) -> FeatureFileInvalid:
    """Return the error that names an object and its file."""
    return FeatureFileInvalid(f"{own_object.path}: {own_object.title}: {text}", remedy=remedy)


def _check_view(repository: _Repository, own_object: OwnObject) -> None:
    """Check the source of a view, its columns, and its live table."""
    view = own_object.value
    assert isinstance(view, FeatureView)
    source = view.batch_source
    if source is not None and not isinstance(source, PostgreSQLSource):
        raise _invalid(
            own_object,
            f"its source is a {type(source).__name__}, but our stores read one database",
            remedy="Use a PostgreSQLSource: a table, a view or a query of this database.",
        )
    if source is not None:
        update_data_sources_with_inferred_event_timestamp_col([source], repository.config)
    provider = get_provider(repository.config)
    update_feature_views_with_inferred_features_and_entities(
        provider, [view], list(repository.entities), repository.config
    )
    find_live_columns(view)


def _check_on_demand_view(repository: _Repository, own_object: OwnObject) -> None:
    """Check the inputs of an on-demand view, and run its function as Feast stores it."""
    view = own_object.value
    assert isinstance(view, OnDemandFeatureView)
    for projection in view.source_feature_view_projections.values():
        _require_view(repository, own_object, projection.name)
    try:
        view.infer_features()
        OnDemandFeatureView.from_proto(view.to_proto()).infer_features()
    except Exception as exc:
        code = getattr(getattr(view.feature_transformation, "udf", None), "__code__", None)
        line = getattr(code, "co_firstlineno", 1)
        raise FeatureFileInvalid(
            f"{own_object.path}, line {line}: {own_object.title}: {type(exc).__name__}: {exc}",
            remedy=FUNCTION_REMEDY,
        ) from exc


def _check_service(repository: _Repository, own_object: OwnObject) -> None:
    """Check that the views of a service exist, and complete its features."""
    service = own_object.value
    assert isinstance(service, FeatureService)
    for projection in service.feature_view_projections:
        _require_view(repository, own_object, projection.name)
    service.infer_features(dict(repository.views))


def _require_view(repository: _Repository, own_object: OwnObject, name: str) -> None:
    """Raise FeatureFileInvalid if there is no view of this name."""
    if name not in repository.views:
        raise _invalid(
            own_object, f"it reads the view '{name}', which no file defines at its top level"
        )
