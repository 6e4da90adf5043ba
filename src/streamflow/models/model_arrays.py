"""Read a model file as arrays, without scikit-learn: enough to predict and to explain.

The file has skops' format: a zip archive whose `schema.json` describes objects, and which has a
member for each array. The result is a pipeline of stand-ins, which the encoder, the compiled model
and the reasons read as they read scikit-learn's own pipeline. So they compute the same bits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Set
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from streamflow.errors import ArtifactUntrusted
from streamflow.models.file_object import FileObject, FilePipeline, FileTree
from streamflow.models.kinds import find_kind
from streamflow.models.model_bounds import (
    require_own_categories,
    require_small,
    require_whole_tree,
)
from streamflow.models.model_file import read_checked
from streamflow.models.npy_array import read_npy, require_filled
from streamflow.models.pipelines import ENCODE, encoder_of

SCHEMA = "schema.json"
PIPELINE = "sklearn.pipeline.Pipeline"
ENCODER = "sklearn.compose._column_transformer.ColumnTransformer"
ONE_HOT = "sklearn.preprocessing._encoders.OneHotEncoder"
FUNCTION = "sklearn.preprocessing._function_transformer.FunctionTransformer"
#: The only function that an encoder of ours has.
TO_FLOATS = "numpy.asarray"


def load_arrays(path: Path, *, expected_digest: str) -> FilePipeline | None:
    """Read the pipeline of a model file as stand-ins.

    Returns:
        None for a kind of model that scikit-learn's objects are needed for.

    Raises:
        ArtifactUntrusted: the bytes are not the expected ones, or are not a model of ours.
    """
    data = read_checked(path, expected_digest=expected_digest)
    try:
        with ZipFile(BytesIO(data)) as archive:
            require_small(archive, len(data))
            return _read_pipeline(archive)
    except Exception as exc:
        # A part that is missing or has a different form can fail in any way.
        raise ArtifactUntrusted(f"{path}: {exc}", path=str(path)) from exc


def _read_pipeline(archive: ZipFile) -> FilePipeline | None:
    """Read the pipeline, check its parts, and read everything that a predictor needs."""
    schema = json.loads(archive.read(SCHEMA))
    pipeline = _NodeReader(archive, _find_ambiguous(schema)).read(schema)
    if not isinstance(pipeline, FilePipeline):
        raise TypeError("the file has no pipeline")
    kind = find_kind(pipeline)
    if next(iter(pipeline.named_steps)) != ENCODE or kind is None:
        raise ValueError("the steps of the pipeline are not those of a kind of model")
    if kind.needs_objects:
        return None
    _require_own_encoder(pipeline.named_steps[ENCODE])
    for _, step in pipeline.steps[1:]:
        _require_type(step, *kind.trusted_types)
        for estimator in getattr(step, "estimators_", []):
            tree = estimator.tree_
            require_whole_tree(tree.n_features, tree.n_outputs, tree.__getstate__())
    kind.require_bounds(pipeline, encoder_of(pipeline).width)
    return pipeline


def _find_ambiguous(schema: Any) -> set[Any]:
    """Return the ids that different nodes have.

    skops reads only the first of such nodes, so scikit-learn's model and the arrays would be two
    models in one file. In a file of ours only nodes that are not read here have such ids.
    """
    nodes: dict[Any, Any] = {}
    ambiguous = set()
    pending = [schema]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += value
        elif isinstance(value, dict):
            node_id = value.get("__id__")
            if node_id is not None and nodes.setdefault(node_id, value) != value:
                ambiguous.add(node_id)
            pending += value.values()
    return ambiguous


def _require_own_encoder(encoder: FileObject) -> None:
    """Check that the encoder has the parts that `train` makes."""
    _require_type(encoder, ENCODER)
    for _, transformer, _ in encoder.transformers_:
        is_chain = isinstance(transformer, FilePipeline)
        steps = [step for _, step in transformer.steps] if is_chain else [transformer]
        for step in steps:
            _require_type(step, FUNCTION, ONE_HOT)
            if step.type_name == ONE_HOT:
                require_own_categories(step)
            elif step.func != TO_FLOATS or step.inverse_func is not None:
                raise ValueError(f"a function of the encoder is not {TO_FLOATS}")


def _require_type(model_part: Any, *type_names: str) -> None:
    is_object = isinstance(model_part, FileObject)
    name = model_part.type_name if is_object else f"a {type(model_part).__name__}"
    if name not in type_names:
        raise ValueError(f"a part is {name}, expected is {' or '.join(type_names)}")


class _NodeReader:
    """Reads the nodes of a model file: plain values, arrays and stand-ins.

    An object is read when it is used, so the members of the archive are read at once.

    Args:
        archive: the model file.
        ambiguous: the ids of nodes that must not be read.
    """

    def __init__(self, archive: ZipFile, ambiguous: Set[Any] = frozenset()) -> None:
        self._archive = archive
        self._ambiguous = ambiguous
        # A member is read once, however many nodes name it. So the arrays take no more memory than
        # the archive declares.
        self._arrays: dict[str, NDArray[Any]] = {}
        self._readers: Mapping[str, Callable[[Any], Any]] = {
            "JsonNode": lambda node: json.loads(node["content"]),
            "DictNode": lambda node: dict(self._read_entries(node)),
            "ListNode": lambda node: [self.read(entry) for entry in node["content"]],
            "TupleNode": lambda node: tuple(self.read(entry) for entry in node["content"]),
            "NdArrayNode": self._read_array,
            "ObjectNode": self._read_object,
            "TreeNode": self._read_tree,
            "TypeNode": _name_of,
            "FunctionNode": _name_of,
        }

    def read(self, node: Mapping[str, Any]) -> Any:
        """Read a node. Raise ValueError for one that no model of ours has."""
        loader = node["__loader__"]
        self._require_one_meaning(node)
        if loader not in self._readers:
            raise ValueError(f"the file has a {loader}, which no model of ours has")
        return self._readers[loader](node)

    def _require_one_meaning(self, node: Mapping[str, Any]) -> None:
        if node.get("__id__") in self._ambiguous:
            raise ValueError(f"the file has different nodes with the id {node['__id__']}")

    def _read_entries(self, node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, entry in node["content"].items():
            yield name, self.read(entry)

    def _read_array(self, node: Mapping[str, Any]) -> NDArray[Any]:
        """Read an array: a member of the archive, or objects that the schema lists."""
        if node["type"] == "numpy":
            member = node["file"]
            if member not in self._arrays:
                self._arrays[member] = read_npy(self._archive.read(member))
            return self._arrays[member]
        values = [self.read(entry) for entry in node["content"]]
        objects = np.empty(len(values), dtype=object)
        objects[:] = values
        array = objects.reshape(self.read(node["shape"]))
        require_filled(array)
        return array

    def _read_object(self, node: Mapping[str, Any]) -> FileObject:
        name = _name_of(node)
        stand_in = FilePipeline if name == PIPELINE else FileObject
        self._require_one_meaning(node["content"])
        return stand_in(name, node["content"]["content"], self.read)

    def _read_tree(self, node: Mapping[str, Any]) -> FileTree:
        # Between the two numbers is the number of classes, which the shape of the values has too.
        sizes = node["__reduce__"]["args"]
        self._require_one_meaning(sizes)
        columns, _, outputs = sizes["content"]
        state = self.read(node["content"])
        return FileTree(self.read(columns), self.read(outputs), state)


def _name_of(node: Mapping[str, Any]) -> str:
    """Return the full name of the class or function that a node names."""
    return f"{node['__module__']}.{node['__class__']}"
