"""The catalog: what the data mean, declared once and read by every other part."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from streamflow.column import Column, ColumnType, Frozen, Identifier
from streamflow.errors import CatalogInvalid

__all__ = [
    "DEFAULT_PATH",
    "RESERVED",
    "Catalog",
    "Column",
    "ColumnType",
    "Entity",
    "Feature",
    "Label",
    "Table",
    "View",
    "load_catalog",
    "parse_catalog",
]

DEFAULT_PATH = Path(__file__).with_name("catalog.toml")

RESERVED = {"as_of", "revision", "known_at", "row_digest", "event_timestamp", "created_timestamp"}


class Table(Frozen):
    """One file of a drop, and the tables made of it."""

    file: str = ""
    columns: dict[Identifier, Column]


class View(Frozen):
    """A feature view over one table."""

    table: Identifier
    ttl_days: int | None = Field(default=None, gt=0)
    max_age_days: int | None = Field(
        default=None, gt=0, le=36_500
    )  # of a live row when it is served; None: any age


class Entity(Frozen):
    """What a row is about, and its key."""

    name: Identifier
    key: Identifier
    type: Literal["string", "int"] = "string"
    max_length: int = Field(default=64, gt=0)
    table: Identifier


class Label(Frozen):
    """Where the outcome stands."""

    table: Identifier
    column: Identifier


class Feature(Frozen):
    """A column that a view serves to the model."""

    name: str
    view: str
    table: str
    column: Column

    @property
    def ref(self) -> str:
        """Feast's name of it: `view:feature`."""
        return f"{self.view}:{self.name}"


class Catalog(Frozen):
    """The whole of what the data mean."""

    model: Identifier
    ttl_days: int = Field(default=62, gt=0)
    entity: Entity
    label: Label
    views: dict[Identifier, View]
    tables: dict[Identifier, Table]

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        problems = list(_contradictions(self))
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def features(self) -> tuple[Feature, ...]:
        """All features, views in the order of the catalog, columns in the order of their table."""
        return tuple(
            Feature(name=name, view=view, table=spec.table, column=column)
            for view, spec in self.views.items()
            for name, column in self.tables[spec.table].columns.items()
            if column.view == view
        )

    def features_of(self, view: str) -> tuple[Feature, ...]:
        """The features of one view, in order."""
        return tuple(f for f in self.features if f.view == view)

    def ttl(self, view: str) -> timedelta:
        """How old a row of `view` may be at the asked instant."""
        return timedelta(days=self.views[view].ttl_days or self.ttl_days)

    def max_age(self, view: str) -> timedelta | None:
        """How old a live row of `view` may be when it is served; None: any age. The boundary is included."""
        days = self.views[view].max_age_days
        return None if days is None else timedelta(days=days)

    def file(self, table: str) -> str:
        """The name of the file that feeds `table`."""
        return self.tables[table].file or f"{table}.csv"

    def columns(self, table: str) -> dict[str, Column]:
        """All columns of `table` as they are frozen, the key first, the derived ones among them."""
        entity = self.entity
        key = Column(
            type=entity.type, max_length=entity.max_length if entity.type == "string" else None
        )
        return {entity.key: key, **self.tables[table].columns}

    def file_columns(self, table: str) -> dict[str, Column]:
        """The columns that the file of `table` holds, the key first."""
        return {name: column for name, column in self.columns(table).items() if column.expr is None}

    def derived_columns(self, table: str) -> dict[str, Column]:
        """The columns of `table` that are computed when a snapshot freezes."""
        return {
            name: column for name, column in self.columns(table).items() if column.expr is not None
        }

    def population_of(self, table: str) -> str | None:
        """The entity's table, where a key of it without a row in `table` stands for a row of nulls; else None.

        A file with nullable features alone may leave a key out: trained on and served is a null, not an older drop's value.
        """
        features = [f for f in self.features if f.table == table]
        incomplete = (
            bool(features)
            and all(f.column.nullable for f in features)
            and table != self.entity.table
        )
        return self.entity.table if incomplete else None

    @property
    def feature_tables(self) -> tuple[str, ...]:
        """Every table but the labels, in order."""
        return tuple(t for t in self.tables if t != self.label.table)

    @property
    def digest(self) -> str:
        """sha256 over all that asks something of a database, in canonical form: what `migrate` last saw."""
        unasked: Any = {
            "views": {"__all__": {"max_age_days"}},
            "tables": {"__all__": {"columns": {"__all__": {"counter", "default", "words"}}}},
        }
        plain = self.model_dump(exclude=unasked)
        text = json.dumps(plain, sort_keys=True, ensure_ascii=False)
        ordered = json.dumps(
            {t: list(spec.columns) for t, spec in self.tables.items()}
        )  # the order of features counts
        return sha256((text + ordered).encode()).hexdigest()

    @property
    def service(self) -> str:
        """The feature service of this feature set: its name changes exactly when the set or its meaning does."""
        meaning = [
            [f.ref, f.column.type, f.column.nullable, f.column.categorical, self.ttl(f.view).days]
            + ([f.column.expr] if f.column.expr else [])
            for f in self.features
        ]
        text = json.dumps(
            [self.entity.name, self.entity.key, self.entity.type, meaning], ensure_ascii=False
        )
        return f"{self.model}_{sha256(text.encode()).hexdigest()[:8]}"


def _contradictions(catalog: Catalog) -> list[str]:
    """Everything in which the parts of a catalog do not fit each other."""
    tables, problems = catalog.tables, []
    problems += [
        f"views.{v}: no table '{s.table}'"
        for v, s in catalog.views.items()
        if s.table not in tables
    ]
    if catalog.entity.table not in tables:
        problems.append(f"entity: no table '{catalog.entity.table}'")
    label = tables.get(catalog.label.table)
    if label is None:
        problems.append(f"label: no table '{catalog.label.table}'")
    elif catalog.label.column not in label.columns:
        problems.append(
            f"label: table '{catalog.label.table}' has no column '{catalog.label.column}'"
        )
    elif (
        label.columns[catalog.label.column].type != "bool"
        or label.columns[catalog.label.column].nullable
    ):
        problems.append(
            f"label: column '{catalog.label.column}' must be of type 'bool' and not nullable"
        )
    elif label.columns[catalog.label.column].expr is not None:
        problems.append(
            f"label: column '{catalog.label.column}' must stand in the file, not be derived"
        )
    problems += _column_contradictions(catalog)
    fed = {c.view for t in tables.values() for c in t.columns.values()}
    problems += [f"views.{v}: no column names it" for v in catalog.views if v not in fed]
    return problems


def _column_contradictions(catalog: Catalog) -> list[str]:
    tables, problems = catalog.tables, []
    owner: dict[str, str] = {}
    for table, spec in tables.items():
        for name, column in spec.columns.items():
            place = f"tables.{table}.columns.{name}"
            if name in RESERVED or name == catalog.entity.key:
                problems.append(f"{place}: the name is used by streamflow itself")
            if column.view is None:
                continue
            view = catalog.views.get(column.view)
            if view is None:
                problems.append(f"{place}: no view '{column.view}'")
            elif view.table != table:
                problems.append(f"{place}: view '{column.view}' reads table '{view.table}'")
            if table == catalog.label.table:
                problems.append(f"{place}: a label cannot be a feature")
            elif name == catalog.label.column:
                problems.append(f"{place}: a feature cannot have the name of the label")
            if name in owner:
                problems.append(f"{place}: a feature '{name}' stands in table '{owner[name]}' too")
            owner.setdefault(name, table)
    return problems


def parse_catalog(text: str, *, origin: str) -> Catalog:
    """Read a catalog; `origin` names it in errors.

    Raises CatalogInvalid with every mistake and its place in the TOML.
    """
    try:
        raw: Mapping[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise CatalogInvalid(f"{origin}: {exc}") from exc
    try:
        return Catalog.model_validate(raw)
    except ValidationError as exc:
        lines = text.splitlines()
        mistakes = [
            _mistake(lines, origin, tuple(map(str, e["loc"])), e["msg"]) for e in exc.errors()
        ]
        raise CatalogInvalid("\n".join(mistakes), violations=mistakes) from exc


def _mistake(lines: list[str], origin: str, place: tuple[str, ...], message: str) -> str:
    """`catalog.toml:17 tables.users.columns.age.type: …`; the line is that of the innermost name found in the file."""
    number = next(
        (
            i
            for name in reversed(place)
            for i, line in enumerate(lines, 1)
            if re.match(rf"\s*{re.escape(name)}\s*=", line)
        ),
        None,
    )
    where = f"{origin}:{number}" if number else origin
    return f"{where} {'.'.join(place)}: {message.removeprefix('Value error, ')}".replace(
        " : ", ": "
    )


def load_catalog(path: Path | None) -> Catalog:
    """The user's catalog at `path`, or ours."""
    path = path or DEFAULT_PATH
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise CatalogInvalid(f"{path}: the catalog cannot be read: {exc}") from exc
    return parse_catalog(text, origin=str(path))
