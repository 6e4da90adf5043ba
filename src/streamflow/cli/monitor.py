"""The command monitor, and its receipt in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamflow.cli.context import AsOf, JsonFlag, as_day, invocation, show

if TYPE_CHECKING:
    from streamflow.core.monitoring.drift import FeatureDrift
    from streamflow.core.monitoring.report import Answers, Report
    from streamflow.steps.monitoring.monitor import MonitorReceipt


def register(app: typer.Typer) -> None:
    """Add this command to `app`."""
    app.command("monitor")(monitor)


def monitor(
    context: typer.Context,
    as_of: AsOf,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The page; by default reports/monitor_<D>.html in the home."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Hold a drop against what the version in Production was trained on: features, labels, and how well it ranks now.

    Exit code 0: nothing fires. 1: something drifted; the receipt says what and by how much. The report is stored, logged to MLflow
    and written as one HTML file; the same evidence gives the report that is there.

    Example: streamflow monitor --as-of 2024-02-29

    Example: streamflow monitor --as-of 2024-02-29 --out february.html --json
    """
    from streamflow.steps.monitoring.monitor import monitor as step

    with invocation(context).platform() as platform:
        receipt = step(platform, as_day(as_of), out=out)
    show(receipt, as_json=as_json, text=text)
    raise typer.Exit(1 if receipt.fires else 0)


def text(r: MonitorReceipt) -> str:
    """A line per feature, what became of labels, version and answers, why it fires, and the verdict."""
    head = f"{r.model} version {r.version}, trained as of {r.report.reference_as_of}: the drop of {r.as_of}"
    features = [line for f in r.report.features for line in _feature(f)]
    notes = [f"  note: {note}" for note in r.report.notes]
    reasons = [f"  fires    {reason}" for f in r.report.drifted for reason in f.reasons]
    stored = f"report {r.id}{' (was there already)' if r.already else ''}, MLflow run {r.mlflow_run_id}, page {r.out}"
    mark = "NO" if r.fires else "OK"
    return "\n".join(
        [
            head,
            *features,
            *_outcome(r.report),
            *notes,
            *reasons,
            f"  {stored}",
            f"[{mark}] {r.verdict}: {r.report.counts_in_words}",
        ]
    )


def _feature(f: FeatureDrift) -> Iterator[str]:
    from streamflow.core.monitoring.drift import p_in_words

    p = p_in_words(f.distribution.p_adjusted)
    missing = (
        f"  missing {f.missing.current:.2%}" if f.missing.reference or f.missing.current else ""
    )
    yield f"  {f.name:30} PSI {f.psi:.4f}  adjusted p {p:8}{missing}{'  drifted' if f.drifted else ''}".rstrip()
    if f.strangers:
        yield f"    never seen: {', '.join(f'{value} ({rows:,})' for value, rows in f.strangers)}"


def _outcome(report: Report) -> Iterator[str]:
    """What the labels tell, as far as they are there."""
    from streamflow.core.monitoring.report import concept_in_words, labels_in_words

    if report.labels:
        yield f"  {'fires' if report.labels.fires else 'labels':8} {labels_in_words(report.labels)}"
    if report.concept:
        yield f"  {'fires' if report.concept.fires else 'concept':8} {concept_in_words(report.concept)}"
    if report.answers:
        yield f"  answers  {_answers(report.answers)}"


def _answers(a: Answers) -> str:
    kept = f"{a.given:,} given to {a.keys:,} users, {a.labelled:,} of them with a label"
    scored = [
        f"AUC {m.auc:.4f} of {words}"
        for m, words in ((a.all, "all"), (a.unseen, "those never trained on"))
        if m
    ]
    return "; ".join([kept, *scored])
