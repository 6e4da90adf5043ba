"""The file of a model: written as skops, named by two digests, and not parsed before its bytes are the expected ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from streamflow.core.training.background import FILE as BACKGROUND
from streamflow.core.training.background import Background, parse_background
from streamflow.core.training.decision import FILE as DECISION
from streamflow.core.training.decision import Decision, parse_decision
from streamflow.errors import ArtifactUntrusted
from streamflow.models.compiled_model import linear_parts
from streamflow.models.pipelines import BOOSTING, ENCODE, FOREST, LOGISTIC, encoder_of

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Parsed = TypeVar("Parsed")

FILE = "model.skops"  # MLflow's own name for it in an MLflow model
CHUNK = 1 << 20

#: Everything beyond skops' own defaults that a model of ours may hold. Never read from an artifact.
TRUSTED_TYPES = (
    "numpy.asarray",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)

#: What defines a tree, and how it is written down: integers as int64, floats as IEEE 754 doubles, all big-endian.
TREE_ARRAYS = (
    ("children_left", ">i8"),
    ("children_right", ">i8"),
    ("feature", ">i8"),
    ("threshold", ">f8"),
    ("missing_go_to_left", "u1"),
    ("value", ">f8"),
)
BOOSTING_ARRAYS = (
    ("left", ">i8"),
    ("right", ">i8"),
    ("feature_idx", ">i8"),
    ("num_threshold", ">f8"),
    ("missing_go_to_left", "u1"),
    ("is_leaf", "u1"),
    ("value", ">f8"),
)

STEPS = (
    [ENCODE, FOREST],
    [ENCODE, BOOSTING],
    [ENCODE, "impute", "scale", LOGISTIC],
)  # of the models that we make


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

    Form, version 1: a line of JSON with the encoder's features and categories and what the estimator is; then its arrays:
    of a forest tree by tree those of TREE_ARRAYS, of boosting those of BOOSTING_ARRAYS, of a logistic regression per column
    the value for a null, centre, spread and weight, then the intercept.
    """
    encoder = encoder_of(pipeline)
    form, more, arrays = _learned(pipeline)
    head = {
        "form": form,
        "features": encoder.features,
        "categories": list(encoder.categories.items()),
        **more,
    }
    digest = sha256(json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    for array, kind in arrays:
        digest.update(np.ascontiguousarray(array).astype(kind).tobytes())
    return digest.hexdigest()


def _learned(pipeline: Pipeline) -> tuple[str, dict[str, Any], Iterator[tuple[Any, str]]]:
    """The form of an estimator, what of it stands in the line of JSON, and its arrays, each with the type to write it as."""
    names = pipeline.named_steps
    if FOREST in names:
        trees = [estimator.tree_ for estimator in names[FOREST].estimators_]
        more = {
            "classes": names[FOREST].classes_.tolist(),
            "nodes": [int(tree.node_count) for tree in trees],
        }
        return (
            "streamflow forest 1",
            more,
            ((_of_tree(tree, name), kind) for tree in trees for name, kind in TREE_ARRAYS),
        )
    if BOOSTING in names:
        nodes = [
            of_class[0].nodes for of_class in names[BOOSTING]._predictors
        ]  # scikit-learn shows them nowhere
        more = {
            "nodes": [len(n) for n in nodes],
            "baseline": names[BOOSTING]._baseline_prediction.tolist(),
        }
        return (
            "streamflow boosting 1",
            more,
            ((n[name], kind) for n in nodes for name, kind in BOOSTING_ARRAYS),
        )
    means, scale, (weights, intercept) = linear_parts(pipeline)
    return (
        "streamflow logistic 1",
        {"intercept": intercept},
        ((array, ">f8") for array in (means, *scale, weights)),
    )


def _of_tree(tree: Any, name: str) -> Any:
    return (
        tree.__getstate__()["nodes"][name] if name == "missing_go_to_left" else getattr(tree, name)
    )


def save(pipeline: Pipeline, path: Path) -> ModelDigests:
    """Write the pipeline as skops, compressed."""
    from zipfile import ZIP_DEFLATED

    import skops.io

    skops.io.dump(pipeline, path, compression=ZIP_DEFLATED, compresslevel=1)
    return ModelDigests(file=file_digest(path), content=content_digest(pipeline))


def load_decision(content: bytes, *, expected_digest: str) -> Decision:
    """The decision in a file of the version. Raises ArtifactUntrusted when it is not the one that was registered."""
    return _checked(DECISION, content, expected_digest, parse_decision)


def load_background(content: bytes, *, expected_digest: str) -> Background:
    """What is usual, from a file of the version. Raises ArtifactUntrusted when it is not the one that was registered."""
    return _checked(BACKGROUND, content, expected_digest, parse_background)


def _checked(
    name: str, content: bytes, expected_digest: str, parse: Callable[[bytes], Parsed]
) -> Parsed:
    found = sha256(content).hexdigest()
    if found != expected_digest:
        raise ArtifactUntrusted(
            f"{name} has the digest {found}, registered was {expected_digest}; it was not parsed"
        )
    try:
        return parse(content)
    except ValueError as exc:
        raise ArtifactUntrusted(f"{name}: {exc}") from exc


def load(path: Path, *, expected_digest: str) -> Pipeline:
    """The pipeline in the file, with our own trust list.

    The bytes are read once: those that were checked are those that are parsed. Raises ArtifactUntrusted when they are not the
    expected ones, or hold a type that no model of ours has.
    """
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise ArtifactUntrusted(
            f"{path}: the model file cannot be read: {exc.strerror}", path=str(path)
        ) from exc
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
    except (
        Exception
    ) as exc:  # an untrusted type, no zip, no skops: whatever it is, it is no model of ours
        raise ArtifactUntrusted(f"{path}: {exc}", path=str(path)) from exc
    if not isinstance(pipeline, Pipeline) or [name for name, _ in pipeline.steps] not in STEPS:
        raise ArtifactUntrusted(
            f"{path}: it holds a {type(pipeline).__name__}, and no model of ours", path=str(path)
        )
    return pipeline
