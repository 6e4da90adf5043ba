"""The file of a model, written in skops' format.

Two digests name it. It is not parsed before its bytes have the expected digest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from streamflow.core.training.background import Background, parse_background
from streamflow.core.training.decision import Decision, parse_decision
from streamflow.core.versions.version_files import BACKGROUND, DECISION
from streamflow.errors import ArtifactUntrusted
from streamflow.models import skops_export
from streamflow.models.kinds import MODEL_KINDS, find_kind, kind_of
from streamflow.models.model_bounds import (
    require_own_shape,
    require_small,
    require_whole_trees,
)
from streamflow.models.pipelines import ENCODE, encoder_of
from streamflow.models.skops_import import import_skops

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Parsed = TypeVar("Parsed")

CHUNK = 1 << 20  # bytes

#: The types of scikit-learn and the functions of numpy that a model of ours may contain. skops
#: adds numbers, text, containers and the types of numpy. The list is never read from an artifact.
TRUSTED_TYPES = tuple(
    sorted(
        {
            "numpy.asarray",
            "numpy.dtype",
            "sklearn.compose._column_transformer.ColumnTransformer",
            "sklearn.pipeline.Pipeline",
            "sklearn.preprocessing._encoders.OneHotEncoder",
            "sklearn.preprocessing._function_transformer.FunctionTransformer",
            *(name for kind in MODEL_KINDS.values() for name in kind.trusted_types),
        }
    )
)


@dataclass(frozen=True, kw_only=True)
class ModelDigests:
    """The digests that name a model.

    Attributes:
        file: digest of the file's bytes. It is checked before the file is parsed.
        content: digest of what the model has learned. A reproduction must have the same one.
        package: digest of each file that is beside it in its MLflow model, by name.
    """

    file: str
    content: str
    package: Mapping[str, str] = field(default_factory=dict)


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
    features and categories, and the kind of the estimator. The arrays are those that the module of
    the kind names in `read_learned`, in this order.
    """
    encoder = encoder_of(pipeline)
    learned = kind_of(pipeline).read_learned(pipeline)
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


def save(pipeline: Pipeline, path: Path) -> ModelDigests:
    """Write the pipeline to a compressed skops file, and return its digests."""
    skops_export.dump(pipeline, path)
    return ModelDigests(file=file_digest(path), content=content_digest(pipeline))


def load_decision(content: bytes, *, expected_digest: str) -> Decision:
    """Parse the decision from the content of a version's file.

    Raises:
        ArtifactUntrusted: the content is not the one that was registered.
    """
    return _check_and_parse(DECISION.name, content, expected_digest, parse_decision)


def load_background(content: bytes, *, expected_digest: str) -> Background:
    """Parse the usual values of the features from the content of a version's file.

    Raises:
        ArtifactUntrusted: the content is not the one that was registered.
    """
    return _check_and_parse(BACKGROUND.name, content, expected_digest, parse_background)


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

    Raises:
        ArtifactUntrusted: the bytes are not the expected ones, or contain a type that no model of
            ours has.
    """
    return _parse_pipeline(path, read_checked(path, expected_digest=expected_digest))


def read_checked(path: Path, *, expected_digest: str) -> bytes:
    """Read a model file, whose bytes must have the expected digest.

    The file is read once, so the bytes that are parsed are the bytes that were checked.

    Raises:
        ArtifactUntrusted: the file cannot be read, or the bytes are not the expected ones.
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
    return data


def _parse_pipeline(path: Path, data: bytes) -> Pipeline:
    """Parse the bytes of a model file. Raise ArtifactUntrusted if it is not a model of ours."""
    from sklearn.pipeline import Pipeline

    try:
        pipeline = _construct(data)
    except Exception as exc:
        # The type may be untrusted, or the file may be no zip or no skops file. Whatever the reason
        # is, the file is not a model of ours.
        raise ArtifactUntrusted(f"{path}: {exc}", path=str(path)) from exc
    if not isinstance(pipeline, Pipeline) or not _is_ours(pipeline):
        raise ArtifactUntrusted(
            f"{path}: the file contains a {type(pipeline).__name__} that is not a model of ours",
            path=str(path),
        )
    try:
        require_own_shape(pipeline)
    except Exception as exc:
        # A part that is missing or has a different type can fail in any way.
        raise ArtifactUntrusted(
            f"{path}: the model is not one that 'train' writes: {exc}", path=str(path)
        ) from exc
    return pipeline


def _construct(data: bytes) -> Any:
    """Make the object of a skops file, as `skops.io.loads` does.

    The trees are checked between the two halves of that function: it has no public place for this.
    """
    from zipfile import ZipFile

    import_skops()
    from skops.io._audit import audit_tree, get_tree
    from skops.io._utils import read_schema

    trusted = list(TRUSTED_TYPES)
    with ZipFile(BytesIO(data)) as archive:
        require_small(archive, len(data))
        schema, load_context = read_schema(archive)
        root = get_tree(schema, load_context, trusted=trusted)
        audit_tree(root, trusted=trusted)
        require_whole_trees(root)
        return root.construct()


def _is_ours(pipeline: Pipeline) -> bool:
    """Return whether the steps of a pipeline are the encoder and those of a kind of model."""
    first_step = next((name for name, _ in pipeline.steps), "")
    return first_step == ENCODE and find_kind(pipeline) is not None
