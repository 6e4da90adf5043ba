"""The completeness policy of a feature service, from the declarations of the catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from streamflow.catalog import Catalog, Feature
from streamflow.core.serving.completeness import CompletenessPolicy, FeaturePolicy


def build_policy(catalog: Catalog, refs: Sequence[str]) -> CompletenessPolicy:
    """Return the policy of a feature service.

    A feature that the catalog no longer has is refused when it is absent. It is never too old.

    Args:
        catalog: The declarations.
        refs: The features of the service, `view:feature` each, in its order.

    >>> from datetime import datetime
    >>> from streamflow.catalog import load_catalog
    >>> policy = build_policy(load_catalog(None), ["payments_agg_90d_fv:failed_payments_90d"])
    >>> as_of = {"payments_agg_90d_fv": datetime(2024, 1, 31)}
    >>> policy.complete_row((2,), as_of, datetime(2024, 2, 1, 12), key="7590-VHVEG").age_days
    1.5
    """
    views = dict.fromkeys(ref.split(":")[0] for ref in refs)
    max_age = {}
    for view in views:
        limit = catalog.max_age(view) if view in catalog.views else None
        if limit is not None:
            max_age[view] = limit
    features = {feature.name: feature for feature in catalog.features}
    policies = [_feature_policy(ref, features) for ref in refs]
    return CompletenessPolicy(policies, max_age, key=catalog.entity.key)


def _feature_policy(ref: str, features: Mapping[str, Feature]) -> FeaturePolicy:
    view, name = ref.split(":")
    feature = features.get(name)
    has_same_view = feature is not None and feature.ref == ref
    return FeaturePolicy(
        name=name,
        view=view,
        nullable=feature is not None and feature.column.nullable,
        default=feature.column.default if feature is not None and has_same_view else None,
    )
