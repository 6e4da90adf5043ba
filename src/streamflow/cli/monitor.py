"""The command monitor, and the text of its receipt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamflow.cli.context import invocation, show
from streamflow.cli.options import AsOf, Engine, JsonFlag, as_instant
from streamflow.core.data.counts import count_of

if TYPE_CHECKING:
    from streamflow.core.monitoring.drift import FeatureDrift
    from streamflow.core.monitoring.report import AnswerOutcomes, Report
    from streamflow.steps.monitoring.monitor import MonitorReceipt


def register(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command("monitor")(monitor)


def monitor(
    context: typer.Context,
    as_of: AsOf,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="The HTML file to write (default: reports/monitor_<D>.html in the state folder).",
        ),
    ] = None,
    engine: Engine = None,
    as_json: JsonFlag = False,
) -> None:
    """Find drift: compare a drop with the training data.

    The training data are those of the version in Production. The command compares the features
    and the labels, and measures how well the version ranks the users of the drop.

    Exit code 0: no drift. 1: something drifted; the receipt says what, and by how much. The report
    is stored, logged to MLflow, and written as one HTML file. If the same evidence was reported
    before, that report is used.

    Example: streamflow monitor --as-of 2024-02-29

    Example: streamflow monitor --as-of 2024-02-29 --out february.html --json
    """
    from streamflow.steps.monitoring.monitor import monitor as step

    with invocation(context).with_flags(engine=engine).platform() as platform:
        receipt = step(platform, as_instant(as_of), out=out)
    show(receipt, as_json=as_json, text=_format_receipt)
    raise typer.Exit(1 if receipt.fires else 0)


def _format_receipt(receipt: MonitorReceipt) -> str:
    """Return the text of a receipt: that of its report, and where its page is."""
    existing = " (stored before)" if receipt.already else ""
    location = (
        f"report {receipt.id}{existing}, MLflow run {receipt.mlflow_run_id}, page {receipt.out}"
    )
    head = f"{receipt.model} version {receipt.version}"
    verdict = receipt.verdict
    return format_report(receipt.report, head, location, verdict=verdict, fires=receipt.fires)


def format_report(report: Report, head: str, location: str, *, verdict: str, fires: bool) -> str:
    """Return the text of a report.

    It has a line for each feature, then labels, version and answers, the reasons for an alarm, and
    the verdict.

    Args:
        head: the model and its version, which the drop was compared with
        location: where the report is stored
    """
    lines = [
        f"{head}, trained as of {report.reference_as_of:%Y-%m-%d}:"
        f" the drop of {report.evidence.as_of:%Y-%m-%d}"
    ]
    for feature in report.features:
        lines += _format_feature(feature)
    lines += _format_outcome(report)
    lines += [f"  note: {note}" for note in report.notes]
    for feature in report.drifted:
        lines += [f"  fires    {reason}" for reason in feature.reasons]
    lines.append(f"  {location}")
    mark = "NO" if fires else "OK"
    lines.append(f"[{mark}] {verdict}: {report.counts_in_words}")
    return "\n".join(lines)


def _format_feature(feature: FeatureDrift) -> Iterator[str]:
    from streamflow.core.monitoring.drift import p_in_words

    p_value = p_in_words(feature.distribution.p_adjusted)
    has_missing = feature.missing.reference or feature.missing.current
    missing = f"  missing {feature.missing.current:.2%}" if has_missing else ""
    drifted = "  drifted" if feature.drifted else ""
    line = f"  {feature.name:30} PSI {feature.psi:.4f}  adjusted p {p_value:8}{missing}{drifted}"
    yield line.rstrip()
    if feature.strangers:
        categories = [f"{value} ({rows:,})" for value, rows in feature.strangers]
        yield f"    new categories: {', '.join(categories)}"


def _format_outcome(report: Report) -> Iterator[str]:
    """Yield what the labels show, as far as they are known."""
    from streamflow.core.monitoring.report import concept_in_words, labels_in_words

    if report.labels:
        head = "fires" if report.labels.fires else "labels"
        yield f"  {head:8} {labels_in_words(report.labels)}"
    if report.concept:
        head = "fires" if report.concept.fires else "concept"
        yield f"  {head:8} {concept_in_words(report.concept)}"
    if report.answers:
        yield f"  answers  {_format_answers(report.answers)}"


def _format_answers(answers: AnswerOutcomes) -> str:
    sentences = [
        f"{count_of(answers.given, 'answer')} for {count_of(answers.keys, 'user')},"
        f" {answers.labelled:,} with a label"
    ]
    if answers.all:
        sentences.append(f"AUC {answers.all.auc:.4f} of all")
    if answers.unseen:
        sentences.append(f"AUC {answers.unseen.auc:.4f} of the users that were not in the training")
    return "; ".join(sentences)
