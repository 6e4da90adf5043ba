"""Write a model as an MLflow model, a folder that every MLflow client can load.

The folder contains our own model file.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamflow.catalog import Column, Feature
from streamflow.column_types import COLUMN_TYPES
from streamflow.core.versions.version_files import MODEL
from streamflow.models.model_file import TRUSTED_TYPES, ModelDigests, save
from streamflow.models.skops_import import import_skops

if TYPE_CHECKING:
    from mlflow.models import ModelSignature
    from sklearn.pipeline import Pipeline

#: The packages that MLflow needs to load the model.
REQUIRED_PACKAGES = (
    "mlflow",
    "numpy",
    "pandas",
    "scikit-learn",
    "skops",
)


def write_package(pipeline: Pipeline, folder: Path, features: Sequence[Feature]) -> ModelDigests:
    """Write an MLflow model of the sklearn flavour to `folder`, which must not exist.

    MLflow describes an unfitted copy of the pipeline. Our own file with the fitted pipeline then
    replaces MLflow's file, because ours is compressed: 11 MB in place of 57.
    """
    import mlflow.sklearn
    from sklearn.base import clone

    import_skops()  # before MLflow imports skops
    mlflow.sklearn.save_model(
        clone(pipeline),
        str(folder),
        serialization_format="skops",
        skops_trusted_types=list(TRUSTED_TYPES),
        signature=signature_of(features),
        pip_requirements=[f"{name}=={version(name)}" for name in REQUIRED_PACKAGES],
    )
    return save(pipeline, folder / MODEL.name)


def address_package(folder: Path, *, model_id: str, run_id: str, location: str) -> None:
    """Write into an MLflow model which run created it and where it is stored."""
    from mlflow.models import Model

    model = Model.load(str(folder))
    model.model_id = model_id
    model.model_uuid = model_id
    model.run_id = run_id
    model.artifact_path = location
    files = [path for path in folder.rglob("*") if path.is_file()]
    model.model_size_bytes = sum(path.stat().st_size for path in files)
    model.save(str(folder / "MLmodel"))


def signature_of(features: Sequence[Feature]) -> ModelSignature:
    """Return the names and types of a model's inputs and output."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = [
        ColSpec(type=_find_mlflow_type(feature.column), name=feature.name) for feature in features
    ]
    outputs = [ColSpec(type="long", name="prediction")]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def _find_mlflow_type(column: Column) -> str:
    """Return MLflow's type of a column.

    An integer that may be null is declared as a float, because pandas passes it as a float.
    """
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
