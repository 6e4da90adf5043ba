"""The types that a column can have: one record per type, read by every part that handles columns.

A record holds plain values. Each package looks up the objects of its own libraries by the names
that stand here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["int", "float", "bool", "string", "date", "timestamp"]


@dataclass(frozen=True, kw_only=True)
class TypeRecord:
    """Everything that a column's type decides.

    name               the type as the catalog writes it
    pattern            how a cell of the type is written in a file, as a regular expression
    form_description   the same rule for people
    noun               how people call a value that has bounds or a limit
    is_number          a column of the type can have bounds and can be a counter
    guess_form         how `init` recognizes the type; None: it never guesses the type from a form
    polars             the name of the type in polars, then the arguments that it takes
    sql                the type in PostgreSQL
    expression_types   the SQL types that an expression of this type may return. Types that
                       PostgreSQL would have to round or to guess are not among them
    cell_bytes_sql     the bytes of a cell {c} in the digest of its row, as SQL, in the form that
                       core/data/digest.py defines
    python             the type of a value in Python and in JSON; None: no feature has the type
    feast              the type of a field in Feast; empty: no feature has the type
    feast_key          the type of the entity's key in Feast; empty: no key has the type
    mlflow             the type of a feature in MLflow; empty: no feature has the type. A model may
                       declare a wider one: see models/mlflow_model.py
    """

    name: ColumnType
    pattern: str
    form_description: str
    noun: str
    is_number: bool = False
    guess_form: str | None
    polars: tuple[str, ...]
    sql: str
    expression_types: frozenset[str]
    cell_bytes_sql: str
    python: type | None = None
    feast: str = ""
    feast_key: str = ""
    mlflow: str = ""

    @property
    def can_be_feature(self) -> bool:
        """Return whether a feature can have the type."""
        return self.python is not None


DATE_FORM = r"^\d{4}-\d{2}-\d{2}$"
TIMESTAMP_FORM = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:?\d{2})?$"

# The order is from the narrowest type to the widest: `init` takes the first type that all cells
# of a column fit. Its forms of numbers are narrower than what ingest accepts. 00123, +49170 and
# 17 digits before a point name something, and a number would lose some of these characters.
RECORDS = (
    TypeRecord(
        name="bool",
        pattern=r"^(True|False)$",
        form_description="True or False",
        noun="True or False",
        guess_form=r"^(True|False)$",
        polars=("Boolean",),
        sql="boolean",
        expression_types=frozenset({"boolean"}),
        cell_bytes_sql="int8send({c}::int)",
        python=bool,
        feast="Bool",
        mlflow="boolean",
    ),
    TypeRecord(
        name="int",
        pattern=r"^[+-]?\d{1,19}$",
        form_description="a whole number of 64 bits",
        noun="integer",
        is_number=True,
        guess_form=r"^-?(0|[1-9]\d{0,18})$",
        polars=("Int64",),
        sql="bigint",
        expression_types=frozenset({"smallint", "integer", "bigint"}),
        cell_bytes_sql="int8send({c})",
        python=int,
        feast="Int64",
        feast_key="INT64",
        mlflow="long",
    ),
    TypeRecord(
        name="float",
        pattern=r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$",
        form_description="a finite number",
        noun="number",
        is_number=True,
        guess_form=r"^-?((0|[1-9]\d{0,14})(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$",
        polars=("Float64",),
        sql="double precision",
        expression_types=frozenset(
            {"smallint", "integer", "bigint", "real", "double precision", "numeric"}
        ),
        cell_bytes_sql="float8send({c} + 0)",
        python=float,
        feast="Float64",
        mlflow="double",
    ),
    TypeRecord(
        name="date",
        pattern=DATE_FORM,
        form_description="a date YYYY-MM-DD",
        noun="a date YYYY-MM-DD",
        guess_form=DATE_FORM,
        polars=("Date",),
        sql="date",
        expression_types=frozenset({"date"}),
        cell_bytes_sql="int8send({c} - date '1970-01-01')",
    ),
    TypeRecord(
        name="timestamp",
        pattern=TIMESTAMP_FORM,
        form_description="an instant YYYY-MM-DD HH:MM:SS",
        noun="an instant YYYY-MM-DD HH:MM:SS",
        guess_form=TIMESTAMP_FORM,
        polars=("Datetime", "us", "UTC"),
        sql="timestamp with time zone",
        expression_types=frozenset({"timestamp with time zone"}),
        cell_bytes_sql="int8send((extract(epoch FROM {c}) * 1000000)::bigint)",
    ),
    TypeRecord(
        name="string",
        pattern=r"^[^\x00]*$",
        form_description="text without NUL",
        noun="text",
        guess_form=None,
        polars=("String",),
        sql="text",
        expression_types=frozenset({"text", "character varying"}),
        cell_bytes_sql="int4send(octet_length({c})) || convert_to({c}, 'UTF8')",
        python=str,
        feast="String",
        feast_key="STRING",
        mlflow="string",
    ),
)

COLUMN_TYPES: dict[str, TypeRecord] = {record.name: record for record in RECORDS}
