"""The predictor of a version for stock MLflow clients: the answers of `/predict`, bit for bit.

`train` copies this file into the MLflow model of a version. MLflow runs it there as a model from
code. It reads the files beside it: the learned model, the facts in `predictor.json`, and the two
modules that compute. It needs MLflow and the packages of requirements.txt, and nothing of
streamflow.
"""

from __future__ import annotations

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from math import inf
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: A category is a text, or a bool or number as a float. None is the null, which is a category too.
Category = float | str | None


class ServedModel(PythonModel):  # type: ignore[misc]  # mlflow has no types that we use
    """The served answer for each row of a frame with the raw features."""

    def load_context(self, context: Any) -> None:  # noqa: ARG002  # MLflow names it
        """Load the version from the folder of this file."""
        import skops.io

        folder = Path(__file__).parent
        facts = json.loads((folder / "predictor.json").read_text(encoding="utf-8"))
        pipeline = skops.io.load(folder / "model.skops", trusted=facts["trusted_types"])
        self._features: list[str] = facts["features"]
        self._never_null: list[str] = facts["never_null"]
        self._bools: list[str] = facts["bools"]
        self._categories: dict[str, list[Category]] = dict(facts["categories"])
        # Without a threshold nobody is flagged.
        threshold: float | None = facts["threshold"]
        self._threshold = inf if threshold is None else threshold
        self._model = _load_module(folder / "compiled_model.py").compile_model(pipeline)
        calibration = _load_module(folder / "calibrator.py")
        self._calibrator = calibration.parse_calibrator(facts["calibrator"])

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Return the calibrated probability and the prediction of each row.

        Args:
            model_input: (n, features), found by name.

        Returns:
            (n, 2): probability, and prediction: 1 from the threshold on, else 0. The index is that
            of the input.

        Raises:
            ValueError: a row has no value where the model learned from rows with a value only, or
                has a value that is no bool where one is expected.
        """
        self._require_values(model_input)
        self._require_bools(model_input)
        probability = np.empty(0)
        if len(model_input):
            raw = self._model(self._encode(model_input))
            probability = self._calibrator.apply(raw)
        prediction = (probability >= self._threshold).astype(np.int64)
        answers = {"probability": probability, "prediction": prediction}
        return pd.DataFrame(answers, index=model_input.index)

    def _require_values(self, frame: pd.DataFrame) -> None:
        """Refuse a null where the API answers `missing_features`."""
        for name in self._never_null:
            null_rows = np.flatnonzero(frame[name].isna().to_numpy())
            if len(null_rows):
                raise ValueError(
                    f"the feature {name} has no value in {len(null_rows)} of {len(frame)} rows, "
                    f"first in row {null_rows[0]} (counted from 0); the model was trained on rows "
                    "that have a value, and the API refuses such a row as missing_features"
                )

    def _require_bools(self, frame: pd.DataFrame) -> None:
        """Refuse what is no bool: MLflow checks numbers and texts, and here any value passes it."""
        for name in self._bools:
            wrong_values = [value for value in frame[name].dropna() if value not in (True, False)]
            if wrong_values:
                raise ValueError(f"the feature {name} is true or false, got {wrong_values[0]!r}")

    def _encode(self, frame: pd.DataFrame) -> Floats:
        """Return the matrix that the model reads: one column per category, then the numbers."""
        columns: list[NDArray[Any]] = []
        for name, categories in self._categories.items():
            is_text = not any(isinstance(category, float) for category in categories)
            column = frame[name]
            values = column.to_numpy(dtype=object) if is_text else _to_floats(column)
            is_null = column.isna().to_numpy()
            has_value = ~is_null
            for category in categories:
                is_equal = is_null if category is None else (values == category) & has_value
                columns.append(is_equal.astype(np.float64))
        for name in self._features:
            if name not in self._categories:
                numbers = _to_floats(frame[name])
                columns.append(numbers)
        return np.column_stack(columns)


def _to_floats(values: pd.Series[Any]) -> Floats:
    """Return bools and numbers as floats, and a null as NaN."""
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def _load_module(path: Path) -> ModuleType:
    """Run a module that lies beside this file.

    It gets a name of its own, so that two versions in one process keep their own code.
    """
    spec = spec_from_file_location(f"{__name__}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where Python's dataclasses look for it
    spec.loader.exec_module(module)
    return module


set_model(ServedModel())
