"""The file of a model: written as skops, named by two digests, and not parsed before its bytes are the expected ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from streamflow.errors import ArtifactUntrusted
from streamflow.models.baseline import ENCODE, FOREST, encoder_of

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

FILE = "model.skops"  # MLflow's own name for it in an MLflow model
CHUNK = 1 << 20

#: Everything beyond skops' own defaults that a model of ours may hold. Never read from an artifact.
TRUSTED_TYPES = ("numpy.asarray", "sklearn.tree._tree.Tree")

#: What defines a tree, and how it is written down: integers as int64, floats as IEEE 754 doubles, all big-endian.
TREE_ARRAYS = (
    ("children_left", ">i8"),
    ("children_right", ">i8"),
    ("feature", ">i8"),
    ("threshold", ">f8"),
    ("missing_go_to_left", "u1"),
    ("value", ">f8"),
)


@dataclass(frozen=True, kw_only=True)
class ModelDigests:
    """The two names of a model: of its file's bytes (checked before parsing) and of what it has learned (for reproduction)."""

    file: str
    content: str


def file_digest(path: Path) -> str:
    """sha256 of the bytes."""
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def content_digest(pipeline: Pipeline) -> str:
    """sha256 of what the model has learned, whatever file it lies in.

    Form, version 1: a line of JSON with the encoder's features and categories, the classes and the nodes of each tree; then
    tree by tree the arrays of TREE_ARRAYS.
    """
    encoder, forest = encoder_of(pipeline), pipeline.named_steps[FOREST]
    trees = [estimator.tree_ for estimator in forest.estimators_]
    head = {
        "form": "streamflow forest 1",
        "features": encoder.features,
        "categories": list(encoder.categories.items()),
        "classes": forest.classes_.tolist(),
        "nodes": [int(tree.node_count) for tree in trees],
    }
    digest = sha256(json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    for tree in trees:
        for name, form in TREE_ARRAYS:
            array = tree.__getstate__()["nodes"][name] if name == "missing_go_to_left" else getattr(tree, name)
            digest.update(np.ascontiguousarray(array).astype(form).tobytes())
    return digest.hexdigest()


def save(pipeline: Pipeline, path: Path) -> ModelDigests:
    """Write the pipeline as skops, compressed."""
    from zipfile import ZIP_DEFLATED

    import skops.io

    skops.io.dump(pipeline, path, compression=ZIP_DEFLATED, compresslevel=1)
    return ModelDigests(file=file_digest(path), content=content_digest(pipeline))


def load(path: Path, *, expected_digest: str) -> Pipeline:
    """The pipeline in the file, with our own trust list.

    The bytes are read once: those that were checked are those that are parsed. Raises ArtifactUntrusted when they are not the
    expected ones, or hold a type that no model of ours has.
    """
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise ArtifactUntrusted(f"{path}: the model file cannot be read: {exc.strerror}", path=str(path)) from exc
    found = sha256(data).hexdigest()
    if found != expected_digest:
        raise ArtifactUntrusted(
            f"{path}: the model file has the digest {found}, registered was {expected_digest}; it was not parsed",
            path=str(path),
            expected=expected_digest,
            found=found,
        )
    return _parse(path, data)


def _parse(path: Path, data: bytes) -> Pipeline:
    import skops.io
    from sklearn.pipeline import Pipeline

    try:
        pipeline = skops.io.loads(data, trusted=list(TRUSTED_TYPES))
    except Exception as exc:  # an untrusted type, no zip, no skops: whatever it is, it is no model of ours
        raise ArtifactUntrusted(f"{path}: {exc}", path=str(path)) from exc
    if not isinstance(pipeline, Pipeline) or [name for name, _ in pipeline.steps] != [ENCODE, FOREST]:
        raise ArtifactUntrusted(f"{path}: it holds a {type(pipeline).__name__}, and no model of ours", path=str(path))
    return pipeline
