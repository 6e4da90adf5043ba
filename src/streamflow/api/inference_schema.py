"""Requests and answers of the Open Inference Protocol v2, for the keys of one catalog.

https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Annotated, Any, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, create_model

from streamflow.api.schema import STRICT, key_list, optional_field
from streamflow.catalog import Catalog
from streamflow.steps.serving.predict import Prediction

# Tensors of an answer, with their types. Each has one element for each key.
OUTPUTS = {
    "prediction": "INT64",
    "probability": "FP64",
    "as_of": "BYTES",
    "age_days": "FP64",
    "defaulted": "BYTES",
}
OutputName = Literal["prediction", "probability", "as_of", "age_days", "defaulted"]

Parameters = dict[str, bool | int | float | str]
PARAMETERS = "parameters of an extension; this server has none, and does not read them"
NAME = "the name of the tensor"
DATATYPE = "the type of its elements"
SHAPE = "the size of each dimension"


class ServerAnswer(BaseModel):
    """The server."""

    name: str = Field(description="the name of the server")
    version: str = Field(description="the release of the server")
    extensions: list[str] = Field(description="extensions of the protocol: there are none")


class LiveAnswer(BaseModel):
    """The server is alive."""

    live: Literal[True] = Field(description="always true: a dead server cannot answer")


class ServerReadyAnswer(BaseModel):
    """Whether the server can predict now."""

    ready: bool = Field(description="whether a prediction can be made now")


class ModelReadyAnswer(ServerReadyAnswer):
    """Whether a model can predict now."""

    name: str = Field(description="the name of the model")


class TensorDescription(BaseModel):
    """A tensor that the model reads or gives."""

    name: str = Field(description=NAME)
    datatype: str = Field(description=DATATYPE)
    shape: list[int] = Field(description=f"{SHAPE}; -1: the number of keys of a request")


class InferenceModelAnswer(BaseModel):
    """A model, and its tensors."""

    name: str = Field(description="the name of the model")
    platform: str = Field(description="the kind of model")
    inputs: list[TensorDescription] = Field(description="the tensors that the model reads")
    outputs: list[TensorDescription] = Field(description="the tensors that the model gives")


class OutputRequest(BaseModel):
    """A tensor that the answer must have."""

    model_config = STRICT

    name: OutputName = Field(description=NAME)
    parameters: Parameters = optional_field(PARAMETERS)


class OutputTensor(BaseModel):
    """A tensor of an answer."""

    name: OutputName = Field(description=NAME)
    datatype: str = Field(description=DATATYPE)
    shape: list[int] = Field(description=SHAPE)
    data: list[int | float | str] = Field(description="one element for each key, in their order")


class InferenceAnswer(BaseModel):
    """The predictions."""

    model_name: str = Field(description="the name of the model")
    model_version: str = Field(description="the version that made this answer")
    id: str = optional_field("the id of the request; left out if it had none")
    outputs: list[OutputTensor] = Field(description="the tensors that the request asks for")


@dataclass(frozen=True, kw_only=True)
class KeyTensor:
    """The tensor of keys that a model reads.

    Attributes:
        name: the key of the entity
        datatype: BYTES for a text, INT64 for a whole number
    """

    name: str
    datatype: str

    def describe(self) -> dict[str, Any]:
        """Return what the answer about a model says of the tensor."""
        return {"name": self.name, "datatype": self.datatype, "shape": [-1]}


def key_tensor(catalog: Catalog) -> KeyTensor:
    """Return the tensor of keys of a catalog."""
    datatype = "INT64" if catalog.entity.type == "int" else "BYTES"
    return KeyTensor(name=catalog.entity.key, datatype=datatype)


class KeyInput(BaseModel):
    """What every tensor of keys has."""

    model_config = STRICT

    shape: list[int] = Field(
        min_length=1, max_length=2, description=f"{SHAPE}: [n], or [n, 1], for n keys"
    )
    parameters: Parameters = optional_field(PARAMETERS)
    data: list[Any]

    @property
    def keys(self) -> list[str | int]:
        """Return the keys, of flat data and of nested data."""
        return [element[0] if isinstance(element, list) else element for element in self.data]


def require_shape(tensor: KeyInput) -> None:
    """Check that the shape of a tensor is the shape of its keys.

    A JSON schema cannot say this, so no model checks it.

    Raises:
        RequestValidationError: the shape is neither [n] nor [n, 1], for n keys.
    """
    if tensor.shape[1:] in ([], [1]) and prod(tensor.shape) == len(tensor.keys):
        return
    message = f"the shape must be [n] or [n, 1], and there are {len(tensor.keys)} keys"
    location = ("body", "inputs", 0, "shape")
    raise RequestValidationError([{"type": "shape", "loc": location, "msg": message}])


def build_inference_request(catalog: Catalog, max_ids: int) -> type[BaseModel]:
    """Build the model of a request for one catalog, with at most `max_ids` keys."""
    tensor = key_tensor(catalog)
    flat: Any = key_list(catalog, max_ids)
    length = Field(min_length=1, max_length=max_ids)
    nested: Any = Annotated[list[key_list(catalog, 1)], length]  # type: ignore[misc]
    data = Field(description=f"the keys of the {catalog.entity.name}s")
    input_fields: dict[str, Any] = {
        "name": (Literal[tensor.name], Field(description=NAME)),
        "datatype": (Literal[tensor.datatype], Field(description=DATATYPE)),
        "data": (flat | nested, data),
    }
    input_tensor: Any = create_model(
        "InputTensor",
        __base__=KeyInput,
        __doc__="The keys that the model predicts for.",
        **input_fields,
    )
    inputs = Field(min_length=1, max_length=1, description="the one tensor that the model reads")
    identifier = optional_field("an id that the answer repeats", max_length=256)
    outputs = optional_field("the tensors of the answer; without it, all", max_length=len(OUTPUTS))
    fields: dict[str, Any] = {
        "id": (str, identifier),
        "parameters": (Parameters, optional_field(PARAMETERS)),
        "inputs": (list[input_tensor], inputs),
        "outputs": (list[OutputRequest], outputs),
    }
    return create_model(
        "InferenceRequest",
        __config__=STRICT,
        __doc__="The keys, and the tensors that the answer must have.",
        **fields,
    )


def build_outputs(
    predictions: Sequence[Prediction],
    names: Sequence[str],
) -> list[dict[str, Any]]:
    """Return the tensors of an answer, in the order of their names."""
    rows = [_output_values(prediction) for prediction in predictions]
    return [
        {
            "name": name,
            "datatype": OUTPUTS[name],
            "shape": [len(rows)],
            "data": [row[name] for row in rows],
        }
        for name in names
    ]


def _output_values(prediction: Prediction) -> Mapping[str, Any]:
    return {
        "prediction": prediction.prediction,
        "probability": prediction.probability,
        "as_of": prediction.as_of.isoformat(),
        "age_days": prediction.age_days,
        "defaulted": ",".join(prediction.defaulted),
    }
