"""Write a model as an MLflow model: a folder that every MLflow client can load.

Stock clients get from it what our services answer: its flavour `python_function` is the predictor,
with calibrator and threshold, as code and data without a pickle. The bare pipeline is a second
flavour, `sklearn`. Our own services read only the model file of the folder, and run no code of it.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamflow.catalog import Column, Feature
from streamflow.column_types import COLUMN_TYPES
from streamflow.core.data.json_text import readable_json
from streamflow.core.training import calibrator
from streamflow.core.training.background import Background
from streamflow.core.training.decision import Decision
from streamflow.core.versions.version_files import (
    CALIBRATOR_CODE,
    CONDA_ENVIRONMENT,
    DESCRIPTION,
    INPUT_EXAMPLE,
    MODEL,
    MODEL_CODE,
    PREDICTOR_CODE,
    PREDICTOR_FACTS,
    PYTHON_ENVIRONMENT,
    REQUIREMENTS,
    SERVING_EXAMPLE,
    place_digests,
)
from streamflow.models import portable
from streamflow.models.input_example import write_example
from streamflow.models.kinds import kind_of
from streamflow.models.model_file import TRUSTED_TYPES, ModelDigests, save
from streamflow.models.pipelines import encoder_of

if TYPE_CHECKING:
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType
    from sklearn.pipeline import Pipeline

#: The packages that a client needs for every kind of model. Their versions decide the last bits.
REQUIRED_PACKAGES = ("numpy", "pandas", "scikit-learn", "scipy", "skops")
#: The clients that load the model. Their version changes no answer.
MLFLOW_REQUIREMENT = "mlflow>=2.22,<4"
#: What the flavours are, for a reader of the description.
FLAVOURS = {
    "python_function": "the served answer: calibrated probability, and prediction by the threshold",
    "sklearn": "the bare pipeline: no calibrator, no threshold of the version; not what is served",
}


def write_package(
    pipeline: Pipeline,
    folder: Path,
    features: Sequence[Feature],
    *,
    decision: Decision,
    background: Background,
) -> ModelDigests:
    """Write an MLflow model to `folder`, which must not exist, and return the digests of its files.

    Equal arguments in an equal environment give equal bytes.

    Args:
        pipeline: the fitted pipeline.
        folder: the folder of the model.
        features: as the catalog declares them.
        decision: the calibrator and the threshold.
        background: the summary of the training rows, for the example of an input.
    """
    folder.mkdir()
    digests = save(pipeline, folder / MODEL.name)
    kind = kind_of(pipeline)
    contents = {
        PREDICTOR_CODE.name: Path(portable.__path__[0], PREDICTOR_CODE.name).read_bytes(),
        MODEL_CODE.name: Path(str(kind.code.__file__)).read_bytes(),
        CALIBRATOR_CODE.name: Path(calibrator.__file__).read_bytes(),
        PREDICTOR_FACTS.name: readable_json(_list_facts(pipeline, features, decision)),
        **_write_environment((*REQUIRED_PACKAGES, *kind.required_packages)),
        **write_example(features, background),
        DESCRIPTION.name: readable_json(_describe(features)),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return replace(digests, package=place_digests(contents)["model"]["package"])


def _list_facts(
    pipeline: Pipeline,
    features: Sequence[Feature],
    decision: Decision,
) -> dict[str, Any]:
    """Return what the predictor of a client needs beside the model file."""
    encoder = encoder_of(pipeline)
    return {
        "features": encoder.features,
        "bools": [feature.name for feature in features if feature.column.type == "bool"],
        "never_null": [feature.name for feature in features if not feature.column.nullable],
        "categories": list(encoder.categories.items()),
        "calibrator": decision.calibrator.values,
        "threshold": decision.threshold,
        "trusted_types": TRUSTED_TYPES,
    }


def _write_environment(packages: Sequence[str]) -> dict[str, bytes]:
    """Return the files that declare the environment of a client, by name."""
    requirements = [MLFLOW_REQUIREMENT, *(f"{name}=={version(name)}" for name in packages)]
    python = platform.python_version()
    conda = {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": requirements}],
    }
    python_environment = {
        "python": python,
        "build_dependencies": ["pip", "setuptools", "wheel"],
        "dependencies": [f"-r {REQUIREMENTS.name}"],
    }
    return {
        REQUIREMENTS.name: "".join(f"{line}\n" for line in requirements).encode(),
        CONDA_ENVIRONMENT.name: readable_json(conda),
        PYTHON_ENVIRONMENT.name: readable_json(python_environment),
    }


def _describe(features: Sequence[Feature]) -> dict[str, Any]:
    """Return the content of the file MLmodel, without the place where the model is stored."""
    environment = {"conda": CONDA_ENVIRONMENT.name, "virtualenv": PYTHON_ENVIRONMENT.name}
    return {
        "flavors": {
            "python_function": {
                "loader_module": "mlflow.pyfunc.loaders.code_model",
                "model_code_path": PREDICTOR_CODE.name,
                "python_version": platform.python_version(),
                "env": environment,
                "streamable": False,
            },
            "sklearn": {
                "pickled_model": MODEL.name,
                "serialization_format": "skops",
                "skops_trusted_types": TRUSTED_TYPES,
                "sklearn_version": version("scikit-learn"),
                "code": None,
            },
        },
        "metadata": {"flavours": FLAVOURS},
        "mlflow_version": version("mlflow"),
        "saved_input_example_info": {
            "artifact_path": INPUT_EXAMPLE.name,
            "serving_input_path": SERVING_EXAMPLE.name,
            "type": "dataframe",
            "pandas_orient": "split",
        },
        "signature": signature_of(features).to_dict(),
    }


def address_package(folder: Path, *, model_id: str, run_id: str, location: str) -> None:
    """Write into an MLflow model which run created it and where it is stored."""
    path = folder / DESCRIPTION.name
    files = [file for file in folder.rglob("*") if file.is_file()]
    address = {
        "artifact_path": location,
        "model_id": model_id,
        "model_size_bytes": sum(file.stat().st_size for file in files),
        "model_uuid": model_id,
        "run_id": run_id,
    }
    try:
        facts = json.loads(path.read_bytes())
    except ValueError:
        _address_older_package(folder, address)
        return
    # MLflow reads an instant without a time zone, in UTC.
    created = datetime.now(UTC).replace(tzinfo=None)
    path.write_bytes(readable_json({**facts, **address, "utc_time_created": str(created)}))


def _address_older_package(folder: Path, address: Mapping[str, Any]) -> None:
    """Write the address into a description in YAML: of a version before passports of schema 5."""
    from mlflow.models import Model

    model = Model.load(str(folder))
    for name, value in address.items():
        setattr(model, name, value)
    model.save(str(folder / DESCRIPTION.name))


def signature_of(features: Sequence[Feature]) -> ModelSignature:
    """Return the names and types of a model's inputs and outputs."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = [
        ColSpec(type=_find_mlflow_type(feature.column), name=feature.name) for feature in features
    ]
    outputs = [
        ColSpec(type="double", name="probability"),
        ColSpec(type="long", name="prediction"),
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def _find_mlflow_type(column: Column) -> str | AnyType:
    """Return MLflow's type of a column.

    An integer that may be null is declared as a float, because pandas passes it as a float. A bool
    is declared as any value, because MLflow's server would make a false of a null. The predictor
    checks the values of a bool itself.
    """
    from mlflow.types.schema import AnyType

    if column.type == "bool":
        return AnyType()
    if column.type == "int" and column.nullable:
        return COLUMN_TYPES["float"].mlflow
    return COLUMN_TYPES[column.type].mlflow


def feature_schema(features: Sequence[Feature]) -> list[dict[str, Any]]:
    """Return the features as the catalog declares them, in the order of the model."""
    return [
        {
            "name": feature.name,
            "view": feature.view,
            "type": feature.column.type,
            "nullable": feature.column.nullable,
            "categorical": feature.column.categorical,
        }
        for feature in features
    ]
