"""The pages about training sets: the list, and one with its certificate and honesty findings."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI, Request, Response

from streamflow.console import version_tables
from streamflow.console.drop_tables import day_of, instant_cell, number_cell
from streamflow.console.pages import Page, respond
from streamflow.console.requests import Below, Number
from streamflow.console.state import ConsoleState
from streamflow.console.tables import Cell, PageColumn, PageTable, make_paging
from streamflow.console.texts import Texts
from streamflow.console.version_tables import digest_cell
from streamflow.steps.versions.training_sets import (
    TrainingSetFacts,
    TrainingSetLine,
    TrainingSetRecord,
    list_training_sets,
    read_training_set,
)

TRAINING_SETS = "/training-sets"
SETS_SHOWN = 12
SEVERITIES = ("severe", "warning", "note")


def add_pages(app: FastAPI, state: ConsoleState) -> None:
    """Add the pages to the application."""

    @app.get(TRAINING_SETS)
    def training_sets(request: Request, below: Below = None) -> Response:
        """List the training sets of the newest versions."""
        visitor = state.require(request)
        return respond(request, state, visitor, _list_page(state, below))

    @app.get("/training-sets/{number}")
    def training_set(request: Request, number: Number) -> Response:
        """Show the training set of one version."""
        visitor = state.require(request)
        return respond(request, state, visitor, _set_page(state, number))


def _list_page(state: ConsoleState, below: int | None) -> Page:
    texts = state.texts
    with state.reading_versions() as platform:
        lines = list_training_sets(platform, below=below, limit=SETS_SHOWN)
    return Page(
        template="training_sets",
        title=texts.get("training_sets.title"),
        path=TRAINING_SETS,
        tables=(sets_table(texts, lines),),
        receipt=lines,
        values={
            "problems": [line for line in lines if line.problem],
            **make_paging([line.version for line in lines], below, SETS_SHOWN),
        },
    )


def _set_page(state: ConsoleState, number: int) -> Page:
    texts = state.texts
    with state.reading_versions() as platform:
        record = read_training_set(platform, number)
    facts = record.line.facts
    tables: tuple[PageTable, ...] = ()
    if facts is not None:
        tables = (
            sources_table(texts, record),
            version_tables.certificate_table(texts, facts.certificate),
            version_tables.honesty_table(texts, facts.honesty),
        )
    return Page(
        template="training_set",
        title=texts.get("training_sets.title_of", version=number),
        path=TRAINING_SETS,
        tables=tables,
        receipt=record,
        values={"line": record.line, "facts": facts},
    )


def sets_table(texts: Texts, lines: Sequence[TrainingSetLine]) -> PageTable:
    """Make the table of the training sets, those of the newest versions first."""
    numbers = ("rows", "trained", "holdout", "checked", "cells", "violations", *SEVERITIES)
    columns = [
        PageColumn(name="version", title=texts.get("versions.version")),
        PageColumn(name="as_of", title=texts.get("training_sets.as_of")),
        PageColumn(name="label_as_of", title=texts.get("training_sets.label_as_of")),
        PageColumn(name="known_at", title=texts.get("training_sets.known_at")),
        *(
            PageColumn(name=name, title=texts.get(f"training_sets.{name}"), kind="number")
            for name in ("months", *numbers)
        ),
        PageColumn(name="digest", title=texts.get("version.digest")),
    ]
    rows = tuple(_set_row(texts, line) for line in lines)
    caption = texts.get("training_sets.title")
    return PageTable(name="sets", caption=caption, columns=tuple(columns), rows=rows)


def _set_row(texts: Texts, line: TrainingSetLine) -> tuple[Cell, ...]:
    title = texts.get("versions.title_of", version=line.version)
    link = Cell(line.version, title, link=f"/training-sets/{line.version}")
    if line.facts is None:
        return (link, *(Cell(None) for _ in range(3 + 7 + len(SEVERITIES) + 1)))
    return (link, *_fact_cells(line.facts))


def _fact_cells(facts: TrainingSetFacts) -> tuple[Cell, ...]:
    certificate = facts.certificate
    violations = certificate.get("violations")
    return (
        Cell(day_of(facts.as_of), moment=facts.as_of),
        Cell(day_of(facts.label_as_of), moment=facts.label_as_of),
        instant_cell(facts.known_at),
        number_cell(facts.months),
        number_cell(facts.rows),
        number_cell(facts.training_keys),
        number_cell(facts.holdout_keys),
        number_cell(certificate.get("checked")),
        number_cell(certificate.get("cells")),
        Cell(violations, tone="up") if violations else number_cell(violations),
        *(_severity_cell(facts, severity) for severity in SEVERITIES),
        digest_cell(facts.digest),
    )


def _severity_cell(facts: TrainingSetFacts, severity: str) -> Cell:
    """Make the cell that counts the honesty findings of a severity."""
    if facts.honesty is None:
        return number_cell(None)
    count = sum(finding.severity == severity for finding in facts.honesty.findings)
    tone = version_tables.SEVERITY_TONES[severity]
    return Cell(count, tone=tone) if count and tone else number_cell(count)


def sources_table(texts: Texts, record: TrainingSetRecord) -> PageTable:
    """Make the table of the revisions that a training set was read from."""
    columns = (
        PageColumn(name="table", title=texts.get("drop.table")),
        PageColumn(name="as_of", title=texts.get("drops.as_of")),
        PageColumn(name="revision", title=texts.get("drop.revision"), kind="number"),
        PageColumn(name="rows", title=texts.get("drops.rows"), kind="number"),
        PageColumn(name="known_at", title=texts.get("drops.known_at")),
        PageColumn(name="digest", title=texts.get("drop.digest")),
    )
    rows = []
    for source in record.sources:
        day = day_of(source.as_of)
        cells = (
            Cell(source.table),
            Cell(day, link=f"/drops/{day}"),
            Cell(source.revision),
            number_cell(source.rows),
            instant_cell(source.known_at),
            digest_cell(source.digest),
        )
        rows.append(cells)
    caption = texts.get("training_sets.sources")
    return PageTable(name="sources", caption=caption, columns=columns, rows=tuple(rows))
