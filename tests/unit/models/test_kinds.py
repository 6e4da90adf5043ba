"""The kinds of models: one module for each, and the same names in the settings."""

from __future__ import annotations

from typing import get_args

from streamflow.model_names import ModelName
from streamflow.models.kinds import MODEL_KINDS


def test_the_settings_name_every_kind_and_auto() -> None:
    assert {*MODEL_KINDS, "auto"} == set(get_args(ModelName))


def test_the_simplest_kind_comes_first() -> None:
    assert list(MODEL_KINDS) == ["logistic", "baseline", "forest", "boosting"]


def test_a_kind_is_explained_by_trees_or_by_terms_and_known_by_its_steps() -> None:
    kinds = list(MODEL_KINDS.values())
    assert all((kind.read_trees is None) != (kind.compute_terms is None) for kind in kinds)
    assert len({kind.steps for kind in kinds}) == len(kinds)
