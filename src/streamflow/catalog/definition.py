"""The catalog as one frozen value, and what its parts mean together."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256
from typing import Any, Self

from pydantic import Field, model_validator

from streamflow.catalog.aggregate import Aggregate
from streamflow.catalog.contradictions import (
    find_contradictions,
    find_file_contradictions,
)
from streamflow.catalog.declarations import Entity, Events, Feature, Label, Table, View
from streamflow.catalog.event_contradictions import find_event_contradictions
from streamflow.catalog.file_format import STRICT_CSV, FileFormat
from streamflow.catalog.file_kinds import default_file
from streamflow.catalog.sections import column_path, section_of
from streamflow.column import CatalogPart, Column, Identifier


class Catalog(CatalogPart):
    """The meaning of all data of an installation."""

    model: Identifier
    ttl_days: int = Field(default=62, gt=0)
    entity: Entity
    label: Label
    views: dict[Identifier, View]
    tables: dict[Identifier, Table]
    events: dict[Identifier, Events] = Field(default_factory=dict)
    files: dict[Identifier, FileFormat] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_coherence(self) -> Self:
        problems = find_event_contradictions(self.entity, self.label, self.tables, self.events)
        problems += find_contradictions(
            self.entity,
            self.label,
            self.views,
            self.frozen_tables,
            self.events,
        )
        problems += find_file_contradictions(
            self.entity,
            self.tables,
            self.events,
            self.files,
        )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def frozen_tables(self) -> dict[str, Table]:
        """Return name -> frozen table: those of the catalog, then one for each file of events."""
        return {**self.tables, **{name: events.frozen for name, events in self.events.items()}}

    @property
    def features(self) -> tuple[Feature, ...]:
        """List all features: views in the order of the catalog, columns in that of their table."""
        features = []
        for view_name, view in self.views.items():
            columns = self.frozen_tables[view.table].columns
            for name, column in columns.items():
                if column.view != view_name:
                    continue
                feature = Feature(
                    name=name,
                    view=view_name,
                    table=view.table,
                    column=column,
                )
                features.append(feature)
        return tuple(features)

    def features_of(self, view: str) -> tuple[Feature, ...]:
        """List the features of one view, in order."""
        return tuple(feature for feature in self.features if feature.view == view)

    def ttl(self, view: str) -> timedelta:
        """Return how old a row of `view` may be at the `as_of` of a point-in-time join."""
        return timedelta(days=self.views[view].ttl_days or self.ttl_days)

    def max_age(self, view: str) -> timedelta | None:
        """Return how old a live row of `view` may be when it is served.

        A row of exactly this age is still served. None: any age.
        """
        days = self.views[view].max_age_days
        return None if days is None else timedelta(days=days)

    def file(self, table: str) -> str:
        """Return the name of the file that feeds `table`."""
        return self.frozen_tables[table].file or default_file(table)

    def file_format(self, table: str) -> FileFormat:
        """Return how the file of `table` is written.

        Several tables may read one file. Each of them ignores the columns that the others declare.
        """
        file_format = self.files.get(table, STRICT_CSV)
        if file_format.number_rows and file_format.key_header is None:
            file_format = file_format.model_copy(update={"key_header": self.entity.key})
        headers = self.headers(table).values()
        neighbours = {
            header: None
            for name in self.tables
            if self.file(name) == self.file(table)
            for header in self.headers(name).values()
            if header not in headers
        }
        ignored = tuple(dict.fromkeys([*file_format.ignore, *neighbours]))
        return file_format.model_copy(update={"ignore": ignored}) if neighbours else file_format

    def headers(self, table: str) -> dict[str, str]:
        """Return name -> header of each column that the file of `table` holds, the key first."""
        headers = {name: column.header or name for name, column in self.file_columns(table).items()}
        declared_format = self.files.get(table, STRICT_CSV)
        headers[self.entity.key] = declared_format.key_header or self.entity.key
        return headers

    def required_headers(self, table: str) -> list[str]:
        """Return the headers that the file of `table` must have; numbered rows need no key."""
        headers = self.headers(table)
        if self.file_format(table).number_rows:
            del headers[self.entity.key]
        return list(headers.values())

    def reading(self, table: str) -> str:
        """Return a digest of how the file of `table` is read; empty for strict CSV.

        A different reading of the same bytes may give different values.
        """
        renamed = {name: header for name, header in self.headers(table).items() if name != header}
        declared = self.file_format(table).model_dump(exclude_defaults=True, mode="json")
        if not renamed and not declared:
            return ""
        text = json.dumps([renamed, declared], sort_keys=True)
        return sha256(text.encode()).hexdigest()

    def columns(self, table: str) -> dict[str, Column]:
        """Return all columns of `table` as they are frozen: key first, derived ones included."""
        max_length = self.entity.max_length if self.entity.type == "string" else None
        key_column = Column(type=self.entity.type, max_length=max_length)
        return {self.entity.key: key_column, **self.frozen_tables[table].columns}

    def file_columns(self, table: str) -> dict[str, Column]:
        """Return the columns that the file of `table` holds, the key first."""
        columns = self.columns(table)
        if table in self.events:
            key = self.entity.key
            return {key: columns[key], **self.events[table].columns}
        return {name: column for name, column in columns.items() if column.expr is None}

    def computation(self, table: str, name: str) -> str | None:
        """Return how a column is computed when a snapshot freezes; None: it is in the file."""
        column = self.columns(table)[name]
        if isinstance(column, Aggregate):
            return column.describe(self.events[table].time)
        return column.expr

    def section(self, table: str) -> str:
        """Return where the catalog declares a frozen table, as in `tables.users`."""
        return section_of(table, self.events)

    def path(self, table: str, name: str) -> str:
        """Return where the catalog declares a column of a frozen table."""
        return column_path(table, name, self.events)

    def population_of(self, table: str) -> str | None:
        """Return the table of the entity where a key without a row in `table` has a row of nulls.

        This is so where all features of `table` are nullable: its file may leave a key out. Then
        a null is used in training and in serving, not the value of an older drop. It is also so
        for events: a key without events has the aggregates of no event. Elsewhere None.
        """
        if table in self.events:
            return self.entity.table
        features = [feature for feature in self.features if feature.table == table]
        all_nullable = all(feature.column.nullable for feature in features)
        may_leave_out_keys = bool(features) and all_nullable and table != self.entity.table
        return self.entity.table if may_leave_out_keys else None

    @property
    def feature_tables(self) -> tuple[str, ...]:
        """List every table except that of the labels, in order."""
        return tuple(table for table in self.frozen_tables if table != self.label.table)

    @property
    def digest(self) -> str:
        """Return the sha256 of all declarations that change the database, in canonical form.

        `migrate` stores it, to see later whether the database fits the catalog.
        """
        options: Any = {"__all__": {"counter", "default", "header", "tenure", "words"}}
        without_effect: Any = {
            "files": True,
            "views": {"__all__": {"max_age_days"}},
            "tables": {"__all__": {"columns": options}},
            "events": {"__all__": {"columns": options, "aggregates": options}},
        }
        if not self.events:
            # Then the digest is the one from before events could be declared.
            without_effect["events"] = True
        declarations = self.model_dump(exclude=without_effect)
        text = json.dumps(declarations, sort_keys=True, ensure_ascii=False)
        # The order of the features counts, and `sort_keys` has just removed it.
        column_order = {}
        for name, table in self.frozen_tables.items():
            column_order[name] = list(table.columns)
        text += json.dumps(column_order)
        return sha256(text.encode()).hexdigest()

    @property
    def service(self) -> str:
        """Return the name of the feature service of this feature set.

        The name changes exactly when the feature set or its meaning changes.
        """
        feature_facts = [self._describe_feature(feature) for feature in self.features]
        entity = self.entity
        facts = [
            entity.name,
            entity.key,
            entity.type,
            feature_facts,
        ]
        text = json.dumps(facts, ensure_ascii=False)
        digest = sha256(text.encode()).hexdigest()
        return f"{self.model}_{digest[:8]}"

    def _describe_feature(self, feature: Feature) -> list[Any]:
        """List the facts of a feature that a model depends on, for the digest of the service."""
        column = feature.column
        days = self.ttl(feature.view).days
        facts = [
            feature.ref,
            column.type,
            column.nullable,
            column.categorical,
            days,
        ]
        computation = self.computation(feature.table, feature.name)
        if computation:
            facts.append(computation)
        return facts
