"""The pages about versions: the list, and one version with all its evidence."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from streamflow.console import version_tables
from streamflow.console.evidence_tables import view_stored_evidence
from streamflow.console.pages import Page, respond
from streamflow.console.requests import Below, Number, list_pages
from streamflow.console.state import ConsoleState
from streamflow.console.tables import PageTable, make_paging
from streamflow.console.texts import Texts
from streamflow.core.versions.version_address import version_address
from streamflow.steps.versions.version_record import VersionRecord, list_versions, read_version

VERSIONS = "/versions"
VERSIONS_SHOWN = 25


def add_pages(app: FastAPI, state: ConsoleState) -> None:
    """Add the pages to the application."""

    @app.get(VERSIONS)
    def versions(request: Request, below: Below = None) -> Response:
        """List the versions, the newest first."""
        visitor = state.require(request)
        return respond(request, state, visitor, _list_page(state, below))

    @app.get("/versions/{number}")
    def version(request: Request, number: Number) -> Response:
        """Show one version with all its evidence."""
        visitor = state.require(request)
        return respond(request, state, visitor, _version_page(request, state, number))


def _list_page(state: ConsoleState, below: int | None) -> Page:
    texts = state.texts
    with state.reading_versions() as platform:
        versions = list_versions(platform, below=below, limit=VERSIONS_SHOWN)
    return Page(
        template="versions",
        title=texts.get("versions.title"),
        path=VERSIONS,
        tables=(version_tables.versions_table(texts, versions),),
        receipt=versions,
        values={
            "model": state.platform.catalog.model,
            **make_paging([version.version for version in versions], below, VERSIONS_SHOWN),
        },
    )


def _version_page(request: Request, state: ConsoleState, number: int) -> Page:
    texts = state.texts
    with state.reading_versions() as platform:
        record = read_version(platform, number)
    entry = record.gate_entry
    gate = view_stored_evidence(texts, entry.evidence) if entry else None
    gate_tables = (gate.conditions, gate.compared) if gate else ()
    return Page(
        template="version",
        title=texts.get("versions.title_of", version=number),
        path=VERSIONS,
        tables=(*_recorded_tables(state, record), *gate_tables),
        receipt=record,
        values={
            "record": record,
            "facts": record.recorded,
            "gate": gate,
            "entry": entry,
            "lights": _list_lights(texts, record),
            "mlflow": _find_in_mlflow(request, state, record),
        },
    )


def _find_in_mlflow(request: Request, state: ConsoleState, record: VersionRecord) -> str:
    """Return where MLflow shows the version; empty if the person cannot open MLflow's page."""
    page = list_pages(request, state.surroundings.find_pages()).get("mlflow", "")
    return version_address(page, record.model, record.version.version) if page else ""


def _list_lights(texts: Texts, record: VersionRecord) -> list[tuple[str, str, str]]:
    """List the levels of the passport, each with the name of its light and what it says."""
    if record.recorded is None:
        return []
    verdicts = {}
    if record.reproduced is not None:
        verdicts = {level.name: level.verdict for level in record.reproduced.levels}
    lights = []
    for level in record.recorded.levels:
        light = verdicts.get(level.name, "unknown")
        lights.append((level.name, light, texts.get(f"version.light_{light}")))
    return lights


def _recorded_tables(state: ConsoleState, record: VersionRecord) -> tuple[PageTable, ...]:
    facts = record.recorded
    if facts is None:
        return ()
    texts = state.texts
    return (
        version_tables.metrics_table(texts, facts),
        version_tables.candidates_table(texts, facts),
        version_tables.levels_table(texts, facts, record.reproduced),
        version_tables.certificate_table(texts, facts.certificate),
        version_tables.honesty_table(texts, facts.honesty),
        version_tables.files_table(texts, facts),
    )
