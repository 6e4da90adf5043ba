"""Every file of a model version: name, digest, MLflow tag, place in the passport and parser.

Whoever writes, checks or copies the files of a version takes them from this table. A file without a
place in the passport is for people to look at: no answer of the version depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from streamflow.core.data.json_text import canonical_json, parse_json
from streamflow.core.training import (
    background,
    decision,
    default_costs,
    holdout_probabilities,
    honesty,
    stored_requests,
)
from streamflow.core.versions.passport import Passport, parse_passport

#: What MLflow's description of a model says of the place where it is stored. It is different in
#: each installation.
ADDRESS_FACTS = (
    "artifact_path",
    "model_id",
    "model_size_bytes",
    "model_uuid",
    "run_id",
    "utc_time_created",
)


def _digest_of_bytes(content: bytes) -> str:
    return sha256(content).hexdigest()


def _digest_of_probabilities(content: bytes) -> str:
    """Return the digest of the values, which does not depend on the format of the file."""
    return holdout_probabilities.digest(holdout_probabilities.from_bytes(content))


def _digest_of_description(content: bytes) -> str:
    """Return the digest of MLflow's description of a model, without what says where it is stored.

    Raises:
        ValueError: The content is not JSON, which every description of ours is.

    >>> with_address = b'{"flavors": {}, "run_id": "5f"}'
    >>> _digest_of_description(with_address) == _digest_of_description(b'{"flavors": {}}')
    True
    """
    facts = parse_json(content)
    if isinstance(facts, dict):
        facts = {name: value for name, value in facts.items() if name not in ADDRESS_FACTS}
    return _digest_of_bytes(canonical_json(facts).encode())


@dataclass(frozen=True, kw_only=True)
class VersionFile:
    """One file of a model version.

    Attributes:
        name: The name of the file.
        in_package: Whether it is within MLflow's model; the other files are beside the model.
        passport_path: Where its digest is in the result of the passport. Empty for the passport
            itself, whose digest is in our database, and for files for people.
        tag: The tag in MLflow that has the same digest. Empty without a tag.
        digest: Computes the digest from the content. Raises ValueError for a wrong format.
        parse: Reads the content. Raises ValueError. None where `models` or nobody reads the file.
        schema: The first schema of a passport that has the digest.
    """

    name: str
    in_package: bool = False
    passport_path: tuple[str, ...] = ()
    tag: str = ""
    digest: Callable[[bytes], str] = _digest_of_bytes
    parse: Callable[[bytes], Any] | None = None
    schema: int = 3


#: The name of the model's file is MLflow's own.
MODEL = VersionFile(
    name="model.skops",
    in_package=True,
    passport_path=("model", "file"),
    tag="model_digest",
)
PASSPORT = VersionFile(name="passport.json", tag="passport_digest", parse=parse_passport)
DECISION = VersionFile(
    name=decision.FILE,
    passport_path=("decision", "digest"),
    tag="decision_digest",
    parse=decision.parse_decision,
)
BACKGROUND = VersionFile(
    name=background.FILE,
    passport_path=("background",),
    tag="background_digest",
    parse=background.parse_background,
    schema=4,
)
STORED_REQUESTS = VersionFile(
    name=stored_requests.FILE,
    passport_path=("probes",),
    parse=stored_requests.parse_probes,
)
HOLDOUT_PROBABILITIES = VersionFile(
    name=holdout_probabilities.FILE,
    passport_path=("predictions",),
    digest=_digest_of_probabilities,
    parse=holdout_probabilities.from_bytes,
)
HONESTY = VersionFile(name=honesty.FILE, passport_path=("honesty",), parse=honesty.parse_honesty)
#: Only where the catalog declares defaults.
DEFAULT_COSTS = VersionFile(
    name=default_costs.FILE,
    passport_path=("default_costs",),
    parse=default_costs.parse_costs,
)
FEATURE_SCHEMA = VersionFile(name="feature_schema.json")
ROC = VersionFile(name="roc.png")
PRECISION_RECALL = VersionFile(name="precision_recall.png")
CALIBRATION = VersionFile(name="calibration.png")


def _package_file(name: str, digest: Callable[[bytes], str] = _digest_of_bytes) -> VersionFile:
    """Return a file of MLflow's model that stock MLflow clients use, and none of our services."""
    return VersionFile(
        name=name,
        in_package=True,
        passport_path=("model", "package", name),
        digest=digest,
        schema=5,
    )


#: The file that makes a folder a model of MLflow. Ours is JSON, which is YAML too.
DESCRIPTION = _package_file("MLmodel", _digest_of_description)
#: The code that a client runs: the predictor, and the two modules that it loads.
PREDICTOR_CODE = _package_file("predictor.py")
MODEL_CODE = _package_file("compiled_model.py")
CALIBRATOR_CODE = _package_file("calibrator.py")
#: Features, categories, threshold and calibrator, for the predictor.
PREDICTOR_FACTS = _package_file("predictor.json")
REQUIREMENTS = _package_file("requirements.txt")
CONDA_ENVIRONMENT = _package_file("conda.yaml")
PYTHON_ENVIRONMENT = _package_file("python_env.yaml")
INPUT_EXAMPLE = _package_file("input_example.json")
SERVING_EXAMPLE = _package_file("serving_input_example.json")

VERSION_FILES = (
    MODEL,
    PASSPORT,
    DECISION,
    BACKGROUND,
    STORED_REQUESTS,
    HOLDOUT_PROBABILITIES,
    HONESTY,
    DEFAULT_COSTS,
    FEATURE_SCHEMA,
    ROC,
    PRECISION_RECALL,
    CALIBRATION,
    DESCRIPTION,
    PREDICTOR_CODE,
    MODEL_CODE,
    CALIBRATOR_CODE,
    PREDICTOR_FACTS,
    REQUIREMENTS,
    CONDA_ENVIRONMENT,
    PYTHON_ENVIRONMENT,
    INPUT_EXAMPLE,
    SERVING_EXAMPLE,
)


def recorded_digests(result: Mapping[str, Any]) -> dict[VersionFile, str]:
    """Return the digest of each file that the result of a passport has a digest of.

    >>> {file.name: digest for file, digest in recorded_digests({"probes": "ab12"}).items()}
    {'probe_requests.json': 'ab12'}
    """
    digests = {}
    for file in VERSION_FILES:
        value: Any = result
        for step in file.passport_path:
            value = value.get(step) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            digests[file] = value
    return digests


def place_digests(contents: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the digests of some files as the result of a passport has them.

    >>> list(place_digests({"decision.json": b"{}", "roc.png": b""})["decision"])
    ['digest']
    """
    placed: dict[str, Any] = {}
    for file in VERSION_FILES:
        if not file.passport_path or file.name not in contents:
            continue
        *parents, last = file.passport_path
        target = placed
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = file.digest(contents[file.name])
    return placed


def digest_tags(contents: Mapping[str, bytes]) -> dict[str, str]:
    """Return the tags in MLflow that have the digests of some files."""
    return {
        file.tag: file.digest(contents[file.name])
        for file in VERSION_FILES
        if file.tag and file.name in contents
    }


def is_unchanged(file: VersionFile, content: bytes, digest: str) -> bool:
    """Return whether a file has this digest."""
    try:
        return file.digest(content) == digest
    except ValueError:
        return False


def describe_unchecked(passport: Passport) -> tuple[str, ...]:
    """Name the files that a passport of an older schema has no digest of, as notes."""
    unchecked = [file for file in VERSION_FILES if passport.schema < file.schema]
    reason = f"a passport of schema {passport.schema} has no digest of"
    notes = [
        f"{file.name} was not checked: {reason} it" for file in unchecked if not file.in_package
    ]
    if any(file.in_package for file in unchecked):
        notes.append(f"of MLflow's model only {MODEL.name} was checked: {reason} its other files")
    return tuple(notes)
