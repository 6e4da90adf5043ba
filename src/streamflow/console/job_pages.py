"""The pages about work: what was started from pages, and one job with its progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Path, Request, Response
from fastapi.responses import FileResponse

from streamflow.console import formats
from streamflow.console.drop_tables import instant_cell
from streamflow.console.evidence_tables import metric_cell
from streamflow.console.exports import ExportFolder
from streamflow.console.jobs import Job
from streamflow.console.pages import Page, respond
from streamflow.console.requests import Below
from streamflow.console.state import ConsoleState
from streamflow.console.tables import Cell, PageColumn, PageTable, make_paging
from streamflow.console.texts import Texts
from streamflow.steps.upkeep.console_actions import ActionLine, find_action, list_actions

WORK_PAGE = "/work"
ACTIONS_SHOWN = 25
DIFFERENCES_SHOWN = 25  # of each level of two versions
SECONDS_DECIMALS = 0
STATE_TONES = {"done": "down", "failed": "up", "interrupted": "up"}
JobId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]


def add_pages(app: FastAPI, state: ConsoleState) -> None:
    """Add the pages to the application."""

    @app.get(WORK_PAGE)
    def work(request: Request, below: Below = None) -> Response:
        """List the work that was started from pages."""
        visitor = state.require(request)
        return respond(request, state, visitor, _list_page(state, below))

    @app.get("/jobs/{job_id}")
    def job(request: Request, job_id: JobId) -> Response:
        """Show one job with its progress."""
        visitor = state.require(request)
        return respond(request, state, visitor, _job_page(state, job_id))

    @app.get("/jobs/{job_id}/file")
    def job_file(request: Request, job_id: JobId) -> Response:
        """Give the file that a job has exported."""
        state.require(request, "admin")
        return _give_file(state, job_id)


def job_address(job_id: str) -> str:
    """Return the address of the page of a job."""
    return f"/jobs/{job_id}"


def _list_page(state: ConsoleState, below: int | None) -> Page:
    texts = state.texts
    with state.reading() as platform:
        actions = list_actions(platform, below=below, limit=ACTIONS_SHOWN)
    running = state.jobs.find_running()
    return Page(
        template="work",
        title=texts.get("work.title"),
        path=WORK_PAGE,
        tables=(_actions_table(texts, actions),),
        receipt=actions,
        values={
            "running": job_address(running.order.job_id) if running else "",
            **make_paging([action.number for action in actions], below, ACTIONS_SHOWN),
        },
    )


def _actions_table(texts: Texts, actions: Sequence[ActionLine]) -> PageTable:
    names = ("action", "subject", "who", "started", "ended", "state", "outcome")
    columns = tuple(PageColumn(name=name, title=texts.get(f"work.{name}")) for name in names)
    rows = tuple(
        (
            Cell(action.action, link=job_address(action.job)),
            Cell(action.subject),
            Cell(action.who),
            instant_cell(action.started_at),
            instant_cell(action.ended_at),
            Cell(action.state, tone=STATE_TONES.get(action.state, "")),
            Cell(action.outcome),
        )
        for action in actions
    )
    caption = texts.get("work.actions")
    return PageTable(name="actions", caption=caption, columns=columns, rows=rows)


def _job_page(state: ConsoleState, job_id: str) -> Page:
    """Show a job that this console remembers, or what is recorded of an older one."""
    texts = state.texts
    job = state.jobs.find(job_id)
    if job is not None:
        return _live_page(texts, job, state.exports)
    with state.reading() as platform:
        action = find_action(platform, job_id)
    if action is None:
        raise HTTPException(status_code=404)
    return Page(
        template="job_record",
        title=texts.get("work.job", kind=action.action, subject=action.subject),
        path=WORK_PAGE,
        tables=(_actions_table(texts, [action]),),
        receipt=action,
        values={"action": action},
    )


def _live_page(texts: Texts, job: Job, exports: ExportFolder) -> Page:
    order = job.order
    # Read first: a job that ends meanwhile has its receipt only after this.
    is_running = job.is_running
    end = job.ended_at or datetime.now(UTC)
    seconds = (end - job.started_at).total_seconds()
    receipt = job.receipt or {}
    tables: tuple[PageTable, ...] = ()
    if order.kind == "compare" and receipt:
        tables = (_metrics_table(texts, receipt), _differences_table(texts, receipt))
    return Page(
        template="job",
        title=texts.get("work.job", kind=order.kind, subject=order.subject),
        path=WORK_PAGE,
        tables=tables,
        receipt=job.receipt,
        values={
            "job": job,
            "is_running": is_running,
            "kind": order.kind,
            "seconds": formats.format_number(seconds, SECONDS_DECIMALS),
            "result": receipt,
            "lines": list(job.lines),
            "has_file": exports.file_of(order.job_id).exists(),
        },
    )


def _give_file(state: ConsoleState, job_id: str) -> Response:
    """Give the file of a job, piece by piece. There is no page of a file that was removed."""
    job = state.jobs.find(job_id)
    file = state.exports.file_of(job_id)
    if job is None or job.receipt is None or not file.exists():
        raise HTTPException(status_code=404)
    name = f"{job.receipt['model']}-{job.receipt['version']}.version"
    return FileResponse(file, media_type="application/zip", filename=name)


def _metrics_table(texts: Texts, receipt: Mapping[str, Any]) -> PageTable:
    """Make the table of what each cause changed in each metric.

    A cause that a metric does not name changed nothing in it: what the rebuilds do not explain is
    a cause only of the metrics that have such a part.
    """
    metrics = receipt["metrics"]
    causes = list(dict.fromkeys(share["cause"] for metric in metrics for share in metric["shares"]))
    columns = [
        PageColumn(name="metric", title=texts.get("gate.metric")),
        PageColumn(name="a", title=texts.get("versions.title_of", version=receipt["a"]["version"])),
        PageColumn(name="b", title=texts.get("versions.title_of", version=receipt["b"]["version"])),
        PageColumn(name="change", title=texts.get("at_risk.change"), kind="number"),
        *(PageColumn(name=cause, title=cause, kind="number") for cause in causes),
    ]
    rows = []
    for metric in metrics:
        shares = {share["cause"]: share["value"] for share in metric["shares"]}
        numbers = (metric["a"], metric["b"], metric["change"], *map(shares.get, causes))
        rows.append((Cell(metric["metric"]), *map(metric_cell, numbers)))
    caption = texts.get("work.causes")
    return PageTable(name="causes", caption=caption, columns=tuple(columns), rows=tuple(rows))


def _differences_table(texts: Texts, receipt: Mapping[str, Any]) -> PageTable:
    """Make the table of what differs between two versions, level by level."""
    columns = (
        PageColumn(name="level", title=texts.get("version.level")),
        PageColumn(name="what", title=texts.get("work.what")),
        PageColumn(name="first", title=texts.get("work.first_value")),
        PageColumn(name="second", title=texts.get("work.second_value")),
    )
    rows = []
    for level in receipt["levels"]:
        for difference in level["differences"][:DIFFERENCES_SHOWN]:
            values = (difference["recorded"], difference["now"])
            cells = [Cell(value, value or formats.NOTHING) for value in values]
            note = f" ({difference['note']})" if difference["note"] else ""
            rows.append((Cell(level["name"]), Cell(f"{difference['what']}{note}"), *cells))
        hidden = len(level["differences"]) - DIFFERENCES_SHOWN
        if hidden > 0:
            remainder = Cell(texts.get("version.more_differences", count=hidden))
            rows.append((Cell(level["name"]), remainder, Cell(None), Cell(None)))
    caption = texts.get("work.differences")
    return PageTable(name="differences", caption=caption, columns=columns, rows=tuple(rows))
