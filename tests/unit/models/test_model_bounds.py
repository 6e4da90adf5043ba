"""A model file whose numbers C code would use as places outside of its arrays is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.tree import ExtraTreeClassifier
from sklearn.tree._tree import Tree

from streamflow.catalog import parse_catalog
from streamflow.errors import ArtifactUntrusted
from streamflow.models import model_file
from streamflow.models.model_bounds import require_own_shape, require_whole_tree
from streamflow.models.pipelines import ENCODE, fit_model, raw_frame
from streamflow.models.skops_import import import_skops
from streamflow.models.tree_bounds import require_bounded

SKOPS = import_skops()  # `import skops.io` searches all of scikit-learn: 10 s of CPU
CATALOG = parse_catalog(
    """
model = "bounds"
[entity]
name = "user"
key = "user_id"
table = "facts"
[label]
table = "labels"
column = "left"
[views.facts_fv]
table = "facts"
[tables.facts.columns]
fee  = { type = "float", view = "facts_fv" }
kind = { type = "string", categorical = true, view = "facts_fv" }
[tables.labels.columns]
left = { type = "bool" }
""",
    origin="test",
)
FRAME = pl.DataFrame({"fee": [float(i % 29) for i in range(200)], "kind": ["a", "b"] * 100})
LABEL = np.array([(i % 29 > 14) ^ (i % 7 == 0) for i in range(200)], dtype=np.int8)


@cache
def saved(kind: str) -> bytes:
    """The file of a small model of a kind."""
    pipeline = fit_model(kind, FRAME, LABEL, features=CATALOG.features, trees=2, seed=1)
    return bytes(SKOPS.dumps(pipeline, compression=ZIP_DEFLATED))


def fresh(kind: str) -> Any:
    """A model of a kind that a test may change."""
    return SKOPS.loads(saved(kind), trusted=list(model_file.TRUSTED_TYPES))


def refused(content: bytes, path: Path, match: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ArtifactUntrusted, match=match):
        model_file.load(path, expected_digest=model_file.file_digest(path))


def with_changed_nodes(change: Callable[[Any], None]) -> Any:
    """A forest whose first tree has changed nodes."""
    pipeline = fresh("baseline")
    estimator = pipeline.named_steps["forest"].estimators_[0]
    state = estimator.tree_.__getstate__()
    change(state["nodes"])
    tree = Tree(estimator.tree_.n_features, np.array([2], dtype=np.intp), 1)
    tree.__setstate__(state)
    estimator.tree_ = tree
    return pipeline


def set_node(name: str, value: float) -> Callable[[Any], None]:
    def change(nodes: Any) -> None:
        nodes[name][0] = value

    return change


@pytest.mark.parametrize("kind", ["baseline", "boosting", "logistic"])
def test_a_model_of_ours_is_loaded(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(saved(kind))
    loaded = model_file.load(path, expected_digest=model_file.file_digest(path))
    rows = raw_frame(FRAME, CATALOG.features)
    assert np.array_equal(loaded.predict_proba(rows), fresh(kind).predict_proba(rows))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (set_node("feature", 2**40), "a column that is not among its 3 columns"),
        (set_node("feature", 3), "a column that is not among its 3 columns"),
        (set_node("feature", -3), "a column that is not among its 3 columns"),
        (set_node("left_child", 2**40), "a child that is not a later node"),
        (set_node("right_child", -7), "a child that is not a later node"),
        (set_node("left_child", 0), "a child that is not a later node"),
        (set_node("left_child", 2), "does not have exactly one parent"),
        (set_node("threshold", np.nan), "with a value that is not a number"),
        (set_node("n_node_samples", 0), "has no training rows"),
    ],
)
def test_a_forest_with_a_number_out_of_range_is_refused(
    change: Callable[[Any], None], match: str, tmp_path: Path
) -> None:
    refused(SKOPS.dumps(with_changed_nodes(change)), tmp_path / "model.skops", match)


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("feature_idx", 2**40, "a column that is not among its 3 columns"),
        ("feature_idx", -1, "a column that is not among its 3 columns"),
        ("left", 2**31, "a child that is not a later node"),
        ("right", 0, "a child that is not a later node"),
        ("is_categorical", 1, "a split by category"),
        ("num_threshold", np.nan, "with a value that is not a number"),
        ("count", 0, "has no training rows"),
    ],
)
def test_boosting_with_a_number_out_of_range_is_refused(
    name: str, value: float, match: str, tmp_path: Path
) -> None:
    pipeline = fresh("boosting")
    pipeline.named_steps["boosting"]._predictors[0][0].nodes[name][0] = value
    refused(SKOPS.dumps(pipeline), tmp_path / "model.skops", match)


def test_a_tree_with_arrays_of_other_types_is_refused() -> None:
    tree = fresh("baseline").named_steps["forest"].estimators_[0].tree_
    state = tree.__getstate__()
    require_whole_tree(tree.n_features, 1, state)
    types = [
        (name, "<f8" if name == "left_child" else field[0])
        for name, field in state["nodes"].dtype.fields.items()
    ]
    changed = {**state, "nodes": state["nodes"].astype(types)}
    with pytest.raises(ValueError, match="do not have the types of scikit-learn"):
        require_whole_tree(tree.n_features, 1, changed)
    changed = {**state, "values": np.full_like(state["values"], np.nan)}
    with pytest.raises(ValueError, match="the classes of a tree do not have shares"):
        require_whole_tree(tree.n_features, 1, changed)


def test_a_regression_with_weights_of_a_different_type_is_refused(tmp_path: Path) -> None:
    pipeline = fresh("logistic")
    regression = pipeline.named_steps["logistic"]
    regression.coef_ = regression.coef_.astype(complex)
    refused(SKOPS.dumps(pipeline), tmp_path / "model.skops", "a number for each of 3 columns")


def test_a_tree_that_declares_more_nodes_than_it_has_is_refused(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "model.skops"
    source.write_bytes(saved("baseline"))
    with ZipFile(source) as old, ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "schema.json":
                content, count = re.subn(
                    rb'("node_count": \{[^{}]*"content": ")\d+', rb"\g<1>99999999", content
                )
                assert count
            new.writestr(name, content)
    refused(target.read_bytes(), target, "do not have the sizes that the tree declares")


def change_width(pipeline: Any) -> None:
    pipeline.named_steps[ENCODE].transformers_[0][1]._n_features_outs = [0]


def change_function(pipeline: Any) -> None:
    pipeline.named_steps[ENCODE].transformers_[-1][1].func = np.sqrt


def change_transformer(pipeline: Any) -> None:
    name, _, columns = pipeline.named_steps[ENCODE].transformers_[0]
    pipeline.named_steps[ENCODE].transformers_[0] = (name, "passthrough", columns)


def change_trees(pipeline: Any) -> None:
    forest = pipeline.named_steps["forest"]
    forest.estimators_[0] = ExtraTreeClassifier().fit(np.zeros((2, 9)), [0, 1])


def remove_trees(pipeline: Any) -> None:
    pipeline.named_steps["forest"].estimators_ = []


def change_threads(pipeline: Any) -> None:
    pipeline.named_steps["forest"].n_jobs = 10_000


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (change_width, "do not have the sizes that it declares"),
        (change_function, "sqrt"),
        (change_transformer, "is 'passthrough'"),
        (change_trees, "ExtraTreeClassifier"),
        (remove_trees, "has no trees"),
        (change_threads, "in one thread"),
    ],
)
def test_a_part_that_train_does_not_make_is_refused(
    change: Callable[[Any], None], match: str, tmp_path: Path
) -> None:
    pipeline = fresh("baseline")
    change(pipeline)
    refused(SKOPS.dumps(pipeline), tmp_path / "model.skops", match)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (change_function, "is not numpy.asarray"),
        (change_trees, "ExtraTreeClassifier among its trees"),
    ],
)
def test_a_part_that_is_not_trusted_has_not_the_shape_of_a_model_either(
    change: Callable[[Any], None], match: str
) -> None:
    """The list of trusted types refuses its file before that."""
    pipeline = fresh("baseline")
    change(pipeline)
    with pytest.raises(ValueError, match=match):
        require_own_shape(pipeline)


def test_members_much_larger_than_the_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    with ZipFile(path, "w", compression=ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b" " * (70 << 20))
    refused(path.read_bytes(), path, "its members have 73,400,320 bytes")


@given(
    st.lists(
        st.tuples(st.integers(-2, 8), st.integers(-2, 8), st.integers(-2, 4)),
        min_size=1,
        max_size=7,
    )
)
def test_a_tree_that_is_accepted_can_be_walked(nodes: list[tuple[int, int, int]]) -> None:
    left, right, column = (np.array(values) for values in zip(*nodes, strict=True))
    is_leaf = left == -1
    try:
        require_bounded(
            left_child=left,
            right_child=right,
            column=column,
            is_leaf=is_leaf,
            threshold=np.zeros(len(nodes)),
            rows=np.ones(len(nodes), dtype=np.int64),
            width=3,
        )
    except ValueError:
        return
    walks, visits = [0], 0
    while walks:
        node = walks.pop()
        visits += 1
        assert 0 <= node < len(nodes)
        if not is_leaf[node]:
            assert 0 <= column[node] < 3
            walks += [int(left[node]), int(right[node])]
    assert visits == len(nodes)
