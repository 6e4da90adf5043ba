"""The work that pages start: for each kind the step of its command, with the name of the person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from streamflow.console.exports import ExportFolder
from streamflow.console.jobs import JobOrder
from streamflow.core.data.counts import count_of
from streamflow.core.data.instants import instant_of_day
from streamflow.errors import SettingsInvalid
from streamflow.platform import Platform
from streamflow.steps.stages.requester import Requester
from streamflow.steps.upkeep.console_actions import NewAction, record_work


def do_work(platform: Platform, order: JobOrder) -> Any:
    """Do the work of an order, record who started it and how it ended, and return the receipt.

    Raises:
        SettingsInvalid: there is no such work.
    """
    if order.kind not in WORK:
        raise SettingsInvalid(f"there is no work with the name '{order.kind}'")
    work, describe = WORK[order.kind]
    requester = Requester(who=order.who)
    action = NewAction(
        job=order.job_id,
        who=requester.name,
        action=order.kind,
        subject=order.subject,
    )
    return record_work(
        platform,
        action,
        lambda: work(platform, order, requester),
        describe,
    )


def _reproduce(platform: Platform, order: JobOrder, requester: Requester) -> Any:
    from streamflow.steps.versions.reproduce import reproduce
    from streamflow.steps.versions.reproductions import record_reproduction

    receipt = reproduce(platform, str(order.arguments["version"]))
    record_reproduction(platform, receipt, requester)
    return receipt


def _compare(platform: Platform, order: JobOrder, _: Requester) -> Any:
    from streamflow.steps.versions.compare import compare

    arguments = order.arguments
    return compare(platform, str(arguments["version"]), str(arguments["other"]))


def _retrain(platform: Platform, order: JobOrder, requester: Requester) -> Any:
    from streamflow.steps.promotion.retrain import retrain

    arguments = order.arguments
    return retrain(
        platform,
        label_lead=arguments["lead"],
        months=arguments["months"],
        why=arguments["why"],
        requester=requester,
    )


def _describe_retraining(receipt: Any) -> str:
    version = "" if receipt.version is None else f" version {receipt.version}"
    return f"{receipt.decision}{version}: {receipt.why}"


def _score(platform: Platform, order: JobOrder, _: Requester) -> Any:
    from streamflow.steps.serving.score import score

    day = instant_of_day(date.fromisoformat(order.arguments["day"]))
    return score(platform, day, explain=True)


def _describe_scoring(receipt: Any) -> str:
    run = receipt.run
    news = "" if receipt.new else ", scored before"
    return f"{count_of(run.rows, 'row')} by version {run.version}, run {run.id}{news}"


def _forget(platform: Platform, order: JobOrder, requester: Requester) -> Any:
    from streamflow.steps.data.forget import forget

    arguments = order.arguments
    return forget(platform, arguments["key"], why=arguments["why"], requester=requester)


def _describe_erasure(receipt: Any) -> str:
    if receipt.already:
        return "forgotten before"
    rows = count_of(sum(receipt.rows.values()), "live row")
    return f"{rows}, {count_of(len(receipt.erased), 'frozen row')}"


def _export(platform: Platform, order: JobOrder, _: Requester) -> Any:
    from streamflow.steps.versions.export import export

    folder = ExportFolder(platform.home)
    folder.make_room()
    return export(platform, str(order.arguments["version"]), folder.file_of(order.job_id))


def _describe_export(receipt: Any) -> str:
    size = count_of(receipt.bytes, "byte")
    return f"{count_of(receipt.rows, 'frozen row')}, {size}, sha256 {receipt.sha256}"


Work = Callable[[Platform, JobOrder, Requester], Any]
WORK: Mapping[str, tuple[Work, Callable[[Any], str]]] = {
    "reproduce": (_reproduce, lambda receipt: receipt.result),
    "compare": (_compare, lambda receipt: receipt.summary),
    "retrain": (_retrain, _describe_retraining),
    "score": (_score, _describe_scoring),
    "export": (_export, _describe_export),
    "forget": (_forget, _describe_erasure),
}
