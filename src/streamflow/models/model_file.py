"""The file of a model, written in skops' format.

Two digests name it. It is not parsed before its bytes have the expected digest.
"""

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
from streamflow.models.compiled_model import read_linear_model
from streamflow.models.pipelines import BOOSTING, ENCODE, FOREST, LOGISTIC, encoder_of

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Parsed = TypeVar("Parsed")

FILE = "model.skops"  # MLflow's own name for the file in an MLflow model
CHUNK = 1 << 20  # bytes

#: The types, beyond skops' own defaults, that a model of ours may contain. The list is never read
#: from an artifact.
TRUSTED_TYPES = (
    "numpy.asarray",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)

#: The arrays that define a tree, and their types in the content digest: integers as int64, floats
#: as IEEE 754 doubles, all big-endian.
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

#: The steps of the pipelines that we fit.
STEPS = (
    [ENCODE, FOREST],
    [ENCODE, BOOSTING],
    [ENCODE, "impute", "scale", LOGISTIC],
)


@dataclass(frozen=True, kw_only=True)
class ModelDigests:
    """The two digests that name a model.

    Attributes:
        file: digest of the file's bytes. It is checked before the file is parsed.
        content: digest of what the model has learned. A reproduction must have the same one.
    """

    file: str
    content: str


def file_digest(path: Path) -> str:
    """Return the sha256 of the bytes of a file."""
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def content_digest(pipeline: Pipeline) -> str:
    """Return the sha256 of what the model has learned, which does not depend on its file.

    The format, version 1, is a line of JSON and then arrays. The line of JSON has the encoder's
    features and categories, and the kind of the estimator. The arrays are:

    - for a forest those of TREE_ARRAYS, tree by tree,
    - for boosting those of BOOSTING_ARRAYS, tree by tree,
    - for a logistic regression one array each of the values that replace nulls, the centres, the
      spreads and the weights. Its intercept is in the line of JSON.
    """
    encoder = encoder_of(pipeline)
    learned = _read_learned(pipeline)
    header = {
        "form": learned.format_name,
        "features": encoder.features,
        "categories": list(encoder.categories.items()),
        **learned.header_fields,
    }
    header_text = json.dumps(header, ensure_ascii=False, separators=(",", ":"))
    digest = sha256(header_text.encode() + b"\n")
    for array, array_type in learned.arrays:
        digest.update(np.ascontiguousarray(array).astype(array_type).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class _Learned:
    """What an estimator has learned, in the form in which the content digest covers it.

    Attributes:
        format_name: name and version of the format.
        header_fields: the facts of the estimator in the line of JSON.
        arrays: its arrays, each with the type in which it is written.
    """

    format_name: str
    header_fields: dict[str, Any]
    arrays: Iterator[tuple[Any, str]]


def _read_learned(pipeline: Pipeline) -> _Learned:
    """Return what the estimator of a pipeline has learned."""
    steps = pipeline.named_steps
    if FOREST in steps:
        return _read_forest(steps[FOREST])
    if BOOSTING in steps:
        return _read_boosting(steps[BOOSTING])
    fill_values, scale, (weights, intercept) = read_linear_model(pipeline)
    return _Learned(
        format_name="streamflow logistic 1",
        header_fields={"intercept": intercept},
        arrays=((array, ">f8") for array in (fill_values, *scale, weights)),
    )


def _read_forest(forest: Any) -> _Learned:
    """Return what a random forest has learned."""
    trees = [estimator.tree_ for estimator in forest.estimators_]
    return _Learned(
        format_name="streamflow forest 1",
        header_fields={
            "classes": forest.classes_.tolist(),
            "nodes": [int(tree.node_count) for tree in trees],
        },
        arrays=(
            (_get_tree_array(tree, name), array_type)
            for tree in trees
            for name, array_type in TREE_ARRAYS
        ),
    )


def _read_boosting(boosting: Any) -> _Learned:
    """Return what gradient boosting has learned. scikit-learn has no public name for its trees."""
    tree_nodes = [predictors[0].nodes for predictors in boosting._predictors]  # noqa: SLF001
    return _Learned(
        format_name="streamflow boosting 1",
        header_fields={
            "nodes": [len(nodes) for nodes in tree_nodes],
            "baseline": boosting._baseline_prediction.tolist(),  # noqa: SLF001
        },
        arrays=(
            (nodes[name], array_type)
            for nodes in tree_nodes
            for name, array_type in BOOSTING_ARRAYS
        ),
    )


def _get_tree_array(tree: Any, name: str) -> Any:
    """Return an array of a tree by its name."""
    if name == "missing_go_to_left":
        return tree.__getstate__()["nodes"][name]
    return getattr(tree, name)


def save(pipeline: Pipeline, path: Path) -> ModelDigests:
    """Write the pipeline to a compressed skops file, and return its digests."""
    from zipfile import ZIP_DEFLATED

    import skops.io

    skops.io.dump(pipeline, path, compression=ZIP_DEFLATED, compresslevel=1)
    return ModelDigests(file=file_digest(path), content=content_digest(pipeline))


def load_decision(content: bytes, *, expected_digest: str) -> Decision:
    """Parse the decision from the content of a version's file.

    Raises:
        ArtifactUntrusted: the content is not the one that was registered.
    """
    return _check_and_parse(DECISION, content, expected_digest, parse_decision)


def load_background(content: bytes, *, expected_digest: str) -> Background:
    """Parse the usual values of the features from the content of a version's file.

    Raises:
        ArtifactUntrusted: the content is not the one that was registered.
    """
    return _check_and_parse(BACKGROUND, content, expected_digest, parse_background)


def _check_and_parse(
    name: str,
    content: bytes,
    expected_digest: str,
    parse: Callable[[bytes], Parsed],
) -> Parsed:
    """Parse the content of the file `name`, if its digest is the expected one."""
    digest = sha256(content).hexdigest()
    if digest != expected_digest:
        raise ArtifactUntrusted(
            f"{name} has the digest {digest}, registered was {expected_digest}; it was not parsed"
        )
    try:
        return parse(content)
    except ValueError as exc:
        raise ArtifactUntrusted(f"{name}: {exc}") from exc


def load(path: Path, *, expected_digest: str) -> Pipeline:
    """Load the pipeline from a model file, with our own list of trusted types.

    The file is read once, so the bytes that are parsed are the bytes that were checked.

    Raises:
        ArtifactUntrusted: the bytes are not the expected ones, or contain a type that no model of
            ours has.
    """
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise ArtifactUntrusted(
            f"{path}: the model file cannot be read: {exc.strerror}",
            path=str(path),
        ) from exc
    digest = sha256(data).hexdigest()
    if digest != expected_digest:
        raise ArtifactUntrusted(
            f"{path}: the model file has the digest {digest}, registered was {expected_digest}; "
            "it was not parsed",
            path=str(path),
            expected=expected_digest,
            found=digest,
        )
    return _parse_pipeline(path, data)


def _parse_pipeline(path: Path, data: bytes) -> Pipeline:
    """Parse the bytes of a model file. Raise ArtifactUntrusted if it is not a model of ours."""
    import skops.io
    from sklearn.pipeline import Pipeline

    try:
        pipeline = skops.io.loads(data, trusted=list(TRUSTED_TYPES))
    except Exception as exc:
        # The type may be untrusted, or the file may be no zip or no skops file. Whatever the reason
        # is, the file is not a model of ours.
        raise ArtifactUntrusted(f"{path}: {exc}", path=str(path)) from exc
    if not isinstance(pipeline, Pipeline) or [name for name, _ in pipeline.steps] not in STEPS:
        raise ArtifactUntrusted(
            f"{path}: the file contains a {type(pipeline).__name__} that is not a model of ours",
            path=str(path),
        )
    return pipeline
