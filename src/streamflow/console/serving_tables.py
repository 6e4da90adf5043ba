"""The tables of the page about what answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from streamflow.console import formats
from streamflow.console.drop_tables import instant_cell
from streamflow.console.tables import Cell, PageColumn, PageTable
from streamflow.console.texts import Texts
from streamflow.core.serving.phase_times import PhaseTime
from streamflow.web.api_report import ApiReport
from streamflow.web.service_condition import Condition
from streamflow.web.tool_pages import choose_page

MS_PER_S = 1000
# The last bound of the histograms of the API.
LAST_BOUND_MS = 10_000
NAMED_PHASES = ("queue", "features", "model", "log")
# The colours of a risk: "up" is the bad one, "down" the good one.
STATE_TONES = {"up": "down", "starting": "", "waiting": "up", "stopped": "up"}
OUTCOME_TONES = {"swapped": "down", "refused": "up"}


def phases_table(texts: Texts, report: ApiReport) -> PageTable:
    """Make the table of the phases of a prediction."""
    columns = (
        PageColumn(name="phase", title=texts.get("serving.phase")),
        PageColumn(name="count", title=texts.get("serving.count"), kind="number"),
        PageColumn(name="mean_ms", title=texts.get("serving.mean"), kind="number"),
        PageColumn(name="most_ms", title=texts.get("serving.most"), kind="number"),
    )
    rows = tuple(_phase_row(texts, phase) for phase in report.phases)
    return PageTable(name="phases", caption=texts.get("serving.phases"), columns=columns, rows=rows)


def _phase_row(texts: Texts, phase: PhaseTime) -> tuple[Cell, ...]:
    if phase.phase in NAMED_PHASES:
        title = texts.get(f"serving.phase_{phase.phase}")
    else:
        title = texts.get("serving.phase_request", path=phase.phase)
    mean_ms = None if phase.mean_s is None else MS_PER_S * phase.mean_s
    most_ms = None if phase.most_s is None else MS_PER_S * phase.most_s
    shown = formats.format_number(most_ms, 1)
    if phase.count and most_ms is None:
        shown = f"> {formats.format_number(LAST_BOUND_MS)}"
    return (
        Cell(phase.phase, title),
        Cell(phase.count, formats.format_number(phase.count)),
        Cell(mean_ms, formats.format_number(mean_ms, 1)),
        Cell(most_ms, shown),
    )


def reloads_table(texts: Texts, report: ApiReport) -> PageTable:
    """Make the table of the versions that the API loaded or refused, the newest first."""
    columns = (
        PageColumn(name="version", title=texts.get("serving.version")),
        PageColumn(name="outcome", title=texts.get("serving.outcome")),
        PageColumn(name="at", title=texts.get("serving.at")),
    )
    rows = tuple(
        (
            Cell(
                reload.version,
                texts.get("versions.title_of", version=reload.version),
                link=f"/versions/{reload.version}",
            ),
            Cell(
                reload.outcome,
                texts.get(f"serving.outcome_{reload.outcome}"),
                tone=OUTCOME_TONES[reload.outcome],
            ),
            instant_cell(reload.at),
        )
        for reload in report.reloads
    )
    caption = texts.get("serving.reloads")
    return PageTable(name="reloads", caption=caption, columns=columns, rows=rows)


def refusals_table(texts: Texts, report: ApiReport) -> PageTable:
    """Make the table of the answers with an error, by code."""
    columns = (
        PageColumn(name="code", title=texts.get("serving.code")),
        PageColumn(name="answers", title=texts.get("serving.answers"), kind="number"),
    )
    rows = tuple(
        (Cell(count.code), Cell(count.answers, formats.format_number(count.answers)))
        for count in report.refusals
    )
    caption = texts.get("serving.refusals")
    return PageTable(name="refusals", caption=caption, columns=columns, rows=rows)


def services_table(texts: Texts, services: Sequence[Condition], host: str) -> PageTable:
    """Make the table of the services of `up`.

    Args:
        host: the host by which the person reached the console
    """
    names = ("service", "state", "since", "restarts", "address", "note")
    columns = tuple(PageColumn(name=name, title=texts.get(f"serving.{name}")) for name in names)
    rows = tuple(
        (
            Cell(service.service),
            Cell(service.state, tone=STATE_TONES[service.state]),
            instant_cell(service.since),
            Cell(service.restarts),
            Cell(service.address, link=choose_page(service.address, host)),
            Cell(service.note),
        )
        for service in services
    )
    caption = texts.get("serving.services")
    return PageTable(name="services", caption=caption, columns=columns, rows=rows)


def pages_table(texts: Texts, pages: Mapping[str, str]) -> PageTable:
    """Make the table of the pages of the tools."""
    columns = (
        PageColumn(name="tool", title=texts.get("serving.tool")),
        PageColumn(name="shows", title=texts.get("serving.shows")),
        PageColumn(name="address", title=texts.get("serving.address")),
    )
    rows = tuple(
        (
            Cell(tool, texts.get(f"serving.tool_{tool}")),
            Cell(texts.get(f"serving.shows_{tool}")),
            Cell(address, link=address),
        )
        for tool, address in pages.items()
    )
    caption = texts.get("serving.pages")
    return PageTable(name="pages", caption=caption, columns=columns, rows=rows)
