"""The model as an MLflow model: a folder that stock clients load, with our file in it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamflow.catalog import Column, Feature
from streamflow.models.model_file import FILE, TRUSTED_TYPES, ModelDigests, save

if TYPE_CHECKING:
    from mlflow.models import ModelSignature
    from sklearn.pipeline import Pipeline

NEEDED = (
    "mlflow",
    "numpy",
    "pandas",
    "scikit-learn",
    "skops",
)  # to load the model with stock MLflow


def write_package(pipeline: Pipeline, folder: Path, features: Sequence[Feature]) -> ModelDigests:
    """Write an MLflow model of the sklearn flavour to `folder`, which must not exist."""
    import mlflow.sklearn
    from sklearn.base import clone

    mlflow.sklearn.save_model(
        clone(
            pipeline
        ),  # unfitted: MLflow describes it, the file is ours (compressed: 11 MB instead of 57)
        str(folder),
        serialization_format="skops",
        skops_trusted_types=list(TRUSTED_TYPES),
        signature=signature_of(features),
        pip_requirements=[f"{name}=={version(name)}" for name in NEEDED],
    )
    return save(pipeline, folder / FILE)


def address_package(folder: Path, *, model_id: str, run_id: str, location: str) -> None:
    """Write into the MLflow model which run made it and where it lies."""
    from mlflow.models import Model

    model = Model.load(str(folder))
    model.model_id, model.model_uuid, model.run_id, model.artifact_path = (
        model_id,
        model_id,
        run_id,
        location,
    )
    model.model_size_bytes = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    model.save(str(folder / "MLmodel"))


def signature_of(features: Sequence[Feature]) -> ModelSignature:
    """Names and types in and out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = Schema([ColSpec(type=_mlflow_type(f.column), name=f.name) for f in features])
    return ModelSignature(inputs=inputs, outputs=Schema([ColSpec(type="long", name="prediction")]))


def _mlflow_type(column: Column) -> str:
    """An integer that may be null arrives in pandas as a float: it is declared as what arrives."""
    if column.type == "int":
        return "double" if column.nullable else "long"
    return {"float": "double", "bool": "boolean", "string": "string"}[column.type]


def feature_schema(features: Sequence[Feature]) -> list[dict[str, Any]]:
    """The features as the catalog declares them, in the order of the model."""
    return [
        {
            "name": f.name,
            "view": f.view,
            "type": f.column.type,
            "nullable": f.column.nullable,
            "categorical": f.column.categorical,
        }
        for f in features
    ]
