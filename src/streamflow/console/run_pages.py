"""The pages about runs of flows: the newest runs, and one run with its log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from uuid import UUID

from fastapi import FastAPI, HTTPException, Request, Response

from streamflow.console import formats
from streamflow.console.drop_tables import instant_cell
from streamflow.console.pages import Page, respond
from streamflow.console.requests import list_pages
from streamflow.console.state import ConsoleState
from streamflow.console.tables import Cell, PageColumn, PageTable
from streamflow.console.texts import Texts
from streamflow.web.flow_runs import (
    FlowRun,
    FlowRunRecord,
    FlowServerSilent,
    hide_login,
    list_flow_runs,
    read_flow_run,
)
from streamflow.web.tool_pages import run_address

RUNS = "/runs"
RUNS_SHOWN = 25
LINES_SHOWN = 200
WARNING = 30  # the level of a log line, as Python's module logging has it
GOOD_STATES = ("Completed",)
BAD_STATES = ("Failed", "Crashed", "TimedOut")


def add_pages(app: FastAPI, state: ConsoleState) -> None:
    """Add the pages to the application."""

    @app.get(RUNS)
    def runs(request: Request) -> Response:
        """List the newest runs of flows."""
        visitor = state.require(request)
        return respond(request, state, visitor, _list_page(request, state))

    @app.get("/runs/{run_id}")
    def run(request: Request, run_id: UUID) -> Response:
        """Show one run with its log."""
        visitor = state.require(request)
        return respond(request, state, visitor, _run_page(request, state, run_id))


def _list_page(request: Request, state: ConsoleState) -> Page:
    texts = state.texts
    server = state.find_flow_server()
    runs: list[FlowRun] = []
    problem = ""
    if server:
        try:
            runs = list_flow_runs(server, limit=RUNS_SHOWN)
        except FlowServerSilent as error:
            problem = str(error)
    return Page(
        template="runs",
        title=texts.get("runs.title"),
        path=RUNS,
        tables=(_runs_table(texts, runs),),
        receipt=runs,
        values={
            "server": hide_login(server),
            "problem": problem,
            "prefect": _find_prefect(request, state),
        },
    )


def _find_prefect(request: Request, state: ConsoleState) -> str:
    """Return the address of Prefect's page; empty if the person cannot open it."""
    return list_pages(request, state.surroundings.find_pages()).get("prefect", "")


def _run_page(request: Request, state: ConsoleState, run_id: UUID) -> Page:
    texts = state.texts
    server = state.find_flow_server()
    record = None
    problem = ""
    try:
        if server:
            record = read_flow_run(server, run_id, limit=LINES_SHOWN)
    except FlowServerSilent as error:
        problem = str(error)
    if server and record is None and not problem:
        raise HTTPException(status_code=404)
    tables = () if record is None else (_log_table(texts, record),)
    prefect = _find_prefect(request, state)
    return Page(
        template="run",
        title=texts.get("runs.title_of", name=record.run.name) if record else texts.get("runs.one"),
        path=RUNS,
        tables=tables,
        receipt=record,
        values={
            "run": record.run if record else None,
            "seconds": formats.format_number(record.run.seconds, 1) if record else "",
            "lines_shown": LINES_SHOWN,
            "prefect": run_address(prefect, str(run_id)) if prefect else "",
            "server": hide_login(server),
            "problem": problem,
        },
    )


def _runs_table(texts: Texts, runs: Sequence[FlowRun]) -> PageTable:
    columns = (
        PageColumn(name="run", title=texts.get("runs.run")),
        PageColumn(name="flow", title=texts.get("runs.flow")),
        PageColumn(name="state", title=texts.get("runs.state")),
        PageColumn(name="started_at", title=texts.get("runs.started_at")),
        PageColumn(name="seconds", title=texts.get("runs.seconds"), kind="number"),
        PageColumn(name="message", title=texts.get("runs.message")),
    )
    rows = tuple(
        (
            Cell(run.name, link=f"/runs/{run.id}"),
            Cell(run.flow),
            Cell(run.state, tone=_tone_of(run.state)),
            instant_cell(run.started_at),
            Cell(run.seconds, formats.format_number(run.seconds, 1)),
            Cell(run.message),
        )
        for run in runs
    )
    return PageTable(name="runs", caption=texts.get("runs.title"), columns=columns, rows=rows)


def _tone_of(state_name: str) -> str:
    if state_name in GOOD_STATES:
        return "down"
    return "up" if state_name in BAD_STATES else ""


def _log_table(texts: Texts, record: FlowRunRecord) -> PageTable:
    columns = (
        PageColumn(name="at", title=texts.get("runs.at")),
        PageColumn(name="line", title=texts.get("runs.line")),
    )
    rows = tuple(
        (
            Cell(line.at, f"{line.at.astimezone(UTC):%H:%M:%S}"),
            Cell(line.text, tone="up" if line.level >= WARNING else ""),
        )
        for line in record.lines
    )
    return PageTable(name="log", caption=texts.get("runs.log"), columns=columns, rows=rows)
