"""The features of the catalog as fields of an answer, each with its type and a description."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, create_model

from streamflow.api.answers import LiveViewAnswer
from streamflow.catalog import Catalog, Column, Feature
from streamflow.column_types import COLUMN_TYPES

# A column may declare hundreds of categories. A description names at most so many.
MAX_LISTED_CATEGORIES = 20


def build_live_features(catalog: Catalog) -> type[BaseModel]:
    """Build the model of the live features: every feature of the catalog is in the answer."""
    fields: dict[str, Any] = {}
    for feature in catalog.features:
        fields[feature.name] = (_type_of(feature), Field(description=describe_feature(feature)))
    return create_model("FeatureValues", __doc__="The live features as they are stored.", **fields)


def build_used_features(catalog: Catalog) -> type[BaseModel]:
    """Build the model of the features of a prediction.

    A version may read fewer features than the catalog has now, so each of them may be left out.
    """
    fields: dict[str, Any] = {}
    for feature in catalog.features:
        description = describe_feature(feature)
        # With a plain default, the document would say that a feature that is left out is null.
        field = Field(default_factory=lambda: None, description=description)
        fields[feature.name] = (_type_of(feature), field)
    doc = "The features of the version that answers, and the values that it read."
    return create_model("UsedFeatures", __doc__=doc, **fields)


def build_live_views(catalog: Catalog) -> type[BaseModel]:
    """Build the model of the rows that the live features come from: one for each view."""
    fields: dict[str, Any] = {}
    for view_name, view in catalog.views.items():
        description = f"the row of the table {view.table}"
        fields[view_name] = (LiveViewAnswer, Field(description=description))
    return create_model("LiveViews", __doc__="The row of each view.", **fields)


def describe_feature(feature: Feature) -> str:
    """Describe a feature by what the catalog declares about it.

    >>> from streamflow.catalog import load_catalog
    >>> print(describe_feature(load_catalog(None).features[0]))
    months as a customer; at least 0; at most 1200; of the view subs_profile_fv
    """
    column = feature.column
    facts = [column.words or feature.name.replace("_", " "), *_describe_values(column)]
    if column.nullable:
        facts.append("null is a value")
    if column.default is not None:
        facts.append(f"predictions use {column.default!r} where it has no value")
    facts.append(f"of the view {feature.view}")
    return "; ".join(facts)


def _describe_values(column: Column) -> list[str]:
    facts = []
    if column.min is not None:
        facts.append(f"at least {column.min:.15g}")
    if column.max is not None:
        facts.append(f"at most {column.max:.15g}")
    categories = column.categories or ()
    if len(categories) > MAX_LISTED_CATEGORIES:
        facts.append(f"one of {len(categories)} categories")
    elif categories:
        facts.append(f"one of {', '.join(map(repr, categories))}")
    return facts


def _type_of(feature: Feature) -> Any:
    python_type = COLUMN_TYPES[feature.column.type].python
    assert python_type is not None  # the catalog refuses a feature of a type without one
    return python_type | None
