"""Requests and answers of MLflow's scoring server, for the keys of one catalog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from streamflow.api.answers import ModelName
from streamflow.api.schema import STRICT, decision_fields, key_field, key_list, optional_field
from streamflow.catalog import Catalog

FORMS = ("dataframe_split", "dataframe_records", "inputs")


@dataclass(frozen=True, kw_only=True)
class InvocationModels:
    """The models of /invocations for one catalog."""

    request: type[BaseModel]
    answer: type[BaseModel]


class _Invocation(BaseModel):
    """A request in one of the forms of MLflow's server."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"minProperties": 1, "maxProperties": 1})

    @model_validator(mode="after")
    def _check_one_form(self) -> _Invocation:
        if len(self.model_fields_set) != 1:
            raise ValueError(f"the body must have exactly one of {', '.join(FORMS)}")
        return self

    def list_keys(self, key_name: str) -> Sequence[str | int]:
        """Return the keys, in the order of the rows.

        Args:
            key_name: the name of the column of keys
        """
        (input_format,) = self.model_fields_set
        content: Any = getattr(self, input_format)
        if input_format == "dataframe_split":
            return [row[0] for row in content.data]
        if input_format == "dataframe_records":
            return [getattr(record, key_name) for record in content]
        keys: list[str | int] = content if isinstance(content, list) else getattr(content, key_name)
        return keys


def build_invocation_models(catalog: Catalog, max_ids: int) -> InvocationModels:
    """Build the models of one catalog. A request has at most `max_ids` keys."""
    name = catalog.entity.key
    keys = key_list(catalog, max_ids)
    record: Any = _strict("InvocationRecord", "One row.", {name: key_field(catalog)})
    columns_doc = "the keys, as a column"
    columns: Any = _strict(
        "InvocationColumns", "The columns.", {name: (keys, Field(description=columns_doc))}
    )
    split = _build_split(catalog, max_ids)
    split_field = optional_field("a frame, as pandas writes it with orient='split'")
    record_field = optional_field("a list of rows", min_length=1, max_length=max_ids)
    inputs_field = optional_field("a list of keys, or a column of them")
    fields: dict[str, Any] = {
        "dataframe_split": (split, split_field),
        "dataframe_records": (list[record], record_field),
        "inputs": (keys | columns, inputs_field),
    }
    doc = "The keys, in one of the three forms."
    request = create_model("InvocationRequest", __base__=_Invocation, __doc__=doc, **fields)
    return InvocationModels(request=request, answer=_build_answer(catalog))


def _build_split(catalog: Catalog, max_ids: int) -> Any:
    row: Any = key_list(catalog, 1)
    column: Any = Literal[catalog.entity.key]
    columns = Field(min_length=1, max_length=1, description="the name of the key, and no other")
    data = Field(min_length=1, max_length=max_ids, description="one row for each key")
    index = optional_field("the index of the frame; it is not read", max_length=max_ids)
    fields: dict[str, Any] = {
        "columns": (list[column], columns),
        "data": (list[row], data),
        "index": (list[int | str], index),
    }
    return _strict("InvocationSplit", "A frame of pandas, with orient='split'.", fields)


def _build_answer(catalog: Catalog) -> type[BaseModel]:
    entry_fields = {catalog.entity.key: key_field(catalog), **decision_fields()}
    entry: Any = create_model("InvocationEntry", __doc__="One prediction.", **entry_fields)
    predictions = Field(description="one prediction for each key, in their order")
    model = Field(description="the version that made this answer")
    fields: dict[str, Any] = {
        "predictions": (list[entry], predictions),
        "model": (ModelName, model),
    }
    return create_model("InvocationAnswer", __doc__="The predictions.", **fields)


def _strict(name: str, doc: str, fields: dict[str, Any]) -> Any:
    return create_model(name, __config__=STRICT, __doc__=doc, **fields)
