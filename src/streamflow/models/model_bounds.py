"""Check the numbers in a model file that C code uses as places in memory, without a check there.

A registered file was written by our own code, but an imported one was written by somebody else. A
tree that reads a column that does not exist ends the whole process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from streamflow.models.kinds import kind_of
from streamflow.models.model_kind import FitOptions
from streamflow.models.pipelines import ENCODE, encoder_of
from streamflow.models.tree_bounds import require_bounded

if TYPE_CHECKING:
    from zipfile import ZipFile

    from sklearn.pipeline import Pipeline

#: scikit-learn's own number for "no child".
LEAF = -1
#: The fields of a node that are read, and their types without the order of bytes.
NODE_TYPES = {
    "left_child": "i8",
    "right_child": "i8",
    "feature": "i8",
    "threshold": "f8",
    "n_node_samples": "i8",
    "missing_go_to_left": "u1",
}
#: The members of a model file may be this many times larger than the file itself.
MAX_EXPANSION = 200
#: What the members of a small file may have anyway, in bytes.
MIN_LIMIT = 64 << 20


def require_small(archive: ZipFile, file_bytes: int) -> None:
    """Raise ValueError when the members of a model file are much larger than the file.

    Python's zipfile reads no more of a member than its declared size.
    """
    declared_bytes = sum(member.file_size for member in archive.infolist())
    limit = max(file_bytes * MAX_EXPANSION, MIN_LIMIT)
    if declared_bytes > limit:
        raise ValueError(f"its members have {declared_bytes:,} bytes, allowed are {limit:,}")


def require_whole_trees(root: Any) -> None:
    """Check each tree of a forest before scikit-learn's C code copies it.

    Args:
        root: what skops has read of the file. Only arrays and plain values are made here.

    Raises:
        ValueError: the numbers of a tree do not fit its arrays.
    """
    from skops.io._sklearn import TreeNode

    for node in _iterate_nodes(root, node_ids=set()):
        if isinstance(node, TreeNode):
            columns, classes, outputs = node.args.construct()
            if np.asarray(classes).tolist() != [2]:
                raise ValueError("a tree does not have two classes")
            require_whole_tree(columns, outputs, node.attrs.construct())


def _iterate_nodes(node: Any, node_ids: set[int]) -> Iterator[Any]:
    """Yield a node of skops and all nodes below it, each once.

    Args:
        node: a node, or a collection of nodes.
        node_ids: the ids of the nodes that were yielded already.
    """
    if isinstance(node, (list, tuple)):
        children = node
    elif isinstance(node, dict):
        children = list(node.values())
    elif hasattr(node, "children") and id(node) not in node_ids:
        node_ids.add(id(node))
        yield node
        children = list(node.children.values())
    else:
        return
    for child in children:
        yield from _iterate_nodes(child, node_ids)


def require_whole_tree(columns: int, outputs: int, state: Mapping[str, Any]) -> None:
    """Check what a tree of two classes is made from: its numbers, then its arrays.

    Raises:
        ValueError: the numbers of the tree do not fit its arrays.
    """
    nodes = state["nodes"]
    values = state["values"]
    is_whole = (
        outputs == 1
        and nodes.ndim == 1
        and len(nodes) > 0
        and state["node_count"] == len(nodes)
        and values.shape == (len(nodes), 1, 2)
    )
    if not is_whole:
        raise ValueError("the arrays of a tree do not have the sizes that the tree declares")
    node_types = {name: nodes.dtype[name].str[1:] for name in NODE_TYPES}
    if node_types != NODE_TYPES or values.dtype.str[1:] != "f8":
        raise ValueError("the arrays of a tree do not have the types of scikit-learn")
    totals = values.sum(axis=2)
    if not (np.all(values >= 0) and np.all((totals > 0) & (totals < np.inf))):
        raise ValueError("the classes of a tree do not have shares")
    require_bounded(
        left_child=nodes["left_child"],
        right_child=nodes["right_child"],
        column=nodes["feature"],
        is_leaf=nodes["left_child"] == LEAF,
        threshold=nodes["threshold"],
        rows=nodes["n_node_samples"],
        width=columns,
    )


def require_own_shape(pipeline: Pipeline) -> None:
    """Check that a loaded pipeline consists of exactly the parts that `train` makes.

    Raises:
        ValueError: a part has a different type, or its sizes do not fit.
    """
    from sklearn.preprocessing import OneHotEncoder

    for transformer in _iterate_transformers(pipeline):
        if isinstance(transformer, OneHotEncoder):
            require_own_categories(transformer)
    kind = kind_of(pipeline)
    created = kind.create(FitOptions(trees=1, seed=0, leaf_size=kind.leaf_sizes[0]))
    for (_, step), (_, own_step) in zip(pipeline.steps[1:], created, strict=True):
        _require_type(step, type(own_step))
    kind.require_bounds(pipeline, encoder_of(pipeline).width)


def _iterate_transformers(pipeline: Pipeline) -> Iterator[Any]:
    """Yield the transformers of the encoder. Raise ValueError for one that is not ours."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

    encoder = pipeline.named_steps[ENCODE]
    _require_type(encoder, ColumnTransformer)
    for _, transformer, _ in encoder.transformers_:
        is_chain = type(transformer) is Pipeline
        steps = [step for _, step in transformer.steps] if is_chain else [transformer]
        for step in steps:
            if step in ("drop", "passthrough"):
                raise ValueError(f"a column of the encoder is '{step}'")
            _require_type(step, FunctionTransformer, OneHotEncoder)
            is_function = isinstance(step, FunctionTransformer)
            if is_function and (step.func is not np.asarray or step.inverse_func is not None):
                raise ValueError("a function of the encoder is not numpy.asarray")
            yield step


def _require_type(step: Any, *types: type) -> None:
    if type(step) not in types:
        names = " or ".join(own_type.__name__ for own_type in types)
        raise ValueError(f"a part is a {type(step).__name__}, expected is {names}")


def require_own_categories(one_hot: Any) -> None:
    """Check the numbers with which scikit-learn writes into a matrix."""
    sizes = [len(categories) for categories in one_hot.categories_]
    is_plain = (
        list(one_hot._n_features_outs) == sizes  # noqa: SLF001
        and one_hot._drop_idx_after_grouping is None  # noqa: SLF001
        and not one_hot._infrequent_enabled  # noqa: SLF001
        and not one_hot.sparse_output
    )
    if not is_plain:
        raise ValueError("the categories of an encoder do not have the sizes that it declares")
