"""The table of column types: complete, and the same in every part that reads it."""

from __future__ import annotations

from typing import get_args

import feast.types
import polars as pl
import pytest
from feast import ValueType
from mlflow.types import DataType

from streamflow.column_types import COLUMN_TYPES, ColumnType, TypeRecord
from streamflow.core.data.contract import polars_type

RECORDS = pytest.mark.parametrize("record", COLUMN_TYPES.values(), ids=lambda record: record.name)


def test_every_type_of_the_catalog_has_a_record() -> None:
    assert set(COLUMN_TYPES) == set(get_args(ColumnType))


@RECORDS
def test_every_vendor_knows_the_names_of_a_record(record: TypeRecord) -> None:
    assert isinstance(pl.Series([None], dtype=polars_type(record.name)).dtype, pl.DataType)
    assert record.sql in record.expression_types | {"text"}
    if record.can_be_feature:
        assert hasattr(feast.types, record.feast)
        assert hasattr(DataType, record.mlflow)
    if record.feast_key:
        assert hasattr(ValueType, record.feast_key)
