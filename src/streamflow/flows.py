"""The Prefect flows. Each task wraps one step, and no step knows of Prefect.

Parameters are plain values, so that any worker can run a task: each task opens the platform by
itself. Annotations are objects in this module, not text: a worker of Prefect loads it without a
module name, so that Python could not resolve text.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import State, Task, flow, get_run_logger, tags
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.logging.loggers import task_run_logger

from streamflow.core.data.instants import instant_of_day
from streamflow.errors import StreamflowError
from streamflow.flow_artifacts import StepProgress, publish_receipt, publish_version_link
from streamflow.platform import Platform, open_platform
from streamflow.settings import load_settings
from streamflow.steps.data import inbox as inbox_step
from streamflow.steps.data import ingest as ingest_step
from streamflow.steps.data import materialize as materialize_step
from streamflow.steps.data import migrate as migrate_step
from streamflow.steps.data import snapshot as snapshot_step
from streamflow.steps.lineage.observer import StepReporter
from streamflow.steps.promotion import promote as promote_step
from streamflow.steps.promotion import retrain as retrain_step
from streamflow.steps.training import train as train_step

TAG = "streamflow"  # of every deployment and every run, for the filters of Prefect's users
PROGRESS_MARK = "streamflow_progress"  # of a log record: it is a line for the user of a command
FLUSH_S = 10  # the longest wait until Prefect has sent its own logs and events
P = ParamSpec("P")
R = TypeVar("R")
Flags = Mapping[str, Any]  # settings from the command line, which override environment and file


@dataclass(frozen=True, kw_only=True)
class MonthlyReceipt:
    """The receipts of ingest, snapshot and materialize for one drop."""

    ingest: ingest_step.IngestReceipt
    snapshot: snapshot_step.SnapshotReceipt
    materialize: materialize_step.MaterializeReceipt


@dataclass(frozen=True, kw_only=True)
class DemoReceipt:
    """The receipts of the demo's flows; the demo asks the API after them."""

    months: tuple[MonthlyReceipt, ...]
    train: train_step.TrainReceipt
    promote: promote_step.PromoteReceipt
    retrain: retrain_step.RetrainReceipt | None


@contextmanager
def prefect_flushed() -> Iterator[None]:
    """Send the pending logs and events of Prefect at the end of the block.

    Its server must still run then: Prefect tries for a minute to reach a stopped one. The runs of
    the block have our tag.
    """
    try:
        with tags(TAG):
            yield
    finally:
        for worker in (APILogWorker, EventsWorker):
            worker.drain_all(timeout=FLUSH_S)


@contextmanager
def _platform(flags: Flags, *, migrated: bool = True) -> Iterator[Platform]:
    """Open the platform for the current run; its progress goes to the log of this run."""
    # The logger is taken in the run's thread: a step reports from other threads too.
    notify = partial(get_run_logger().info, extra={PROGRESS_MARK: True})
    settings = load_settings(**flags)
    with open_platform(
        settings, notify=notify, must_be_migrated=migrated, observer=StepReporter()
    ) as platform:
        yield platform


def is_retryable(task: Task[Any, Any], run: TaskRun, state: State) -> bool:
    """Return whether a failed task is tried again, and say so; its error decides this.

    Prefect asks only while tries are left.
    """
    error = state.result(raise_on_failure=False)
    if not (isinstance(error, StreamflowError) and error.retryable):
        return False
    reason = error.message.partition("\n")[0]
    logger = task_run_logger(run, task)
    logger.info(f"{task.name} is tried again: {reason}", extra={PROGRESS_MARK: True})
    return True


def step(name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Return a decorator that makes a Prefect task of a function around one step.

    The task is tried three times for errors that can pass by themselves. Nothing is cached.
    """

    def make_task(function: Callable[P, R]) -> Task[P, R]:
        return Task(
            function,
            name=name,
            retries=2,
            retry_delay_seconds=[1, 5],
            retry_condition_fn=is_retryable,
            cache_policy=NO_CACHE,
        )

    return make_task


@step("ingest")
def ingest(
    folder: str,
    as_of: date,
    allow_same: bool,
    reject_rows: bool,
    flags: Flags,
) -> ingest_step.IngestReceipt:
    """Validate and write a drop; migrate an empty database first."""
    with _platform(flags, migrated=False) as platform:
        migrate_step.ensure_migrated(platform)
        receipt = ingest_step.ingest(
            platform,
            Path(folder),
            instant_of_day(as_of),
            allow_same=allow_same,
            reject_rows=reject_rows,
        )
    publish_receipt("ingest", receipt)
    return receipt


@step("snapshot")
def snapshot(as_of: date, flags: Flags) -> snapshot_step.SnapshotReceipt:
    """Freeze the raw rows of a drop."""
    with _platform(flags) as platform:
        receipt = snapshot_step.snapshot(platform, instant_of_day(as_of))
    publish_receipt("snapshot", receipt)
    return receipt


@step("materialize")
def materialize(flags: Flags) -> materialize_step.MaterializeReceipt:
    """Make the newest frozen drop live."""
    with _platform(flags) as platform:
        receipt = materialize_step.materialize(platform)
    publish_receipt("materialize", receipt)
    return receipt


@step("train")
def train_version(
    as_of: date, label_lead: int, months: int, flags: Flags
) -> train_step.TrainReceipt:
    """Train a model and register it as a version."""
    with _platform(flags) as platform:
        receipt = train_step.train(
            platform, instant_of_day(as_of), label_lead=label_lead, months=months
        )
        publish_version_link(platform.settings, platform.catalog.model, receipt.version)
    publish_receipt("train", receipt)
    return receipt


@step("promote")
def promote(version: int, why: str, force: bool, flags: Flags) -> promote_step.PromoteReceipt:
    """Put a version into Production if the gate allows it, or by force."""
    with _platform(flags) as platform:
        receipt = promote_step.promote(platform, version, why=why, force=force)
    publish_receipt("promote", receipt)
    return receipt


@flow(name="monthly", flow_run_name="monthly-{as_of}")
def monthly(
    folder: str,
    as_of: date,
    allow_same: bool = False,
    reject_rows: bool = False,
    flags: Flags | None = None,
) -> MonthlyReceipt:
    """Ingest, freeze and materialize one monthly drop."""
    settings_flags = flags or {}
    progress = StepProgress("monthly", ["ingest", "snapshot", "materialize"])
    ingested = ingest(folder, as_of, allow_same, reject_rows, settings_flags)
    progress.finish("ingest")
    frozen = snapshot(as_of, settings_flags)
    progress.finish("snapshot")
    live = materialize(settings_flags)
    progress.finish("materialize")
    return MonthlyReceipt(ingest=ingested, snapshot=frozen, materialize=live)


@flow(name="train", flow_run_name="train-{as_of}")
def train(
    as_of: date, label_lead: int = 0, flags: Flags | None = None, months: int = 1
) -> train_step.TrainReceipt:
    """Train a model on the last labelled drops up to `as_of`, and register it as a version."""
    return train_version(as_of, label_lead, months, flags or {})


@flow(name="demo")
def demo(drops: list[tuple[str, date]], flags: Flags | None = None) -> DemoReceipt:
    """Load the first drop, train and promote; then load the rest, train again and compare."""
    settings_flags = flags or {}
    (first_folder, first_as_of), *later_drops = drops
    months = [monthly(first_folder, first_as_of, flags=settings_flags)]
    training = train(first_as_of, 0, settings_flags)
    # By force: there is no champion yet to compare with, but the API needs a version.
    promotion = promote(training.version, "the demo", True, settings_flags)
    months += [monthly(folder, as_of, flags=settings_flags) for folder, as_of in later_drops]
    retraining = None
    if later_drops:
        retraining = train_and_compare(why="the demo", force=True, flags=settings_flags)
    return DemoReceipt(months=tuple(months), train=training, promote=promotion, retrain=retraining)


@step("retrain")
def retrain(
    as_of: date | None,
    label_lead: int,
    why: str,
    force: bool,
    on_verdict: bool,
    months: int,
    flags: Flags,
) -> retrain_step.RetrainReceipt:
    """Train a version and let the gate decide; do nothing for evidence that was decided before."""
    drop = instant_of_day(as_of) if as_of else None
    with _platform(flags) as platform:
        receipt = retrain_step.retrain(
            platform,
            drop,
            label_lead=label_lead,
            why=why,
            force=force,
            on_verdict=on_verdict,
            months=months,
        )
        if receipt.version is not None:
            publish_version_link(platform.settings, platform.catalog.model, receipt.version)
    publish_receipt("retrain", receipt)
    return receipt


@flow(name="train_and_compare")
def train_and_compare(
    as_of: date | None = None,
    label_lead: int = 0,
    why: str = "scheduled",
    force: bool = False,
    on_verdict: bool = False,
    flags: Flags | None = None,
    months: int = 1,
) -> retrain_step.RetrainReceipt:
    """Train on the drop of `as_of`, or the newest labelled one; promote if the gate allows it."""
    return retrain(as_of, label_lead, why, force, on_verdict, months, flags or {})


@flow(name="inbox")
def inbox(flags: Flags | None = None) -> inbox_step.InboxReceipt:
    """Run `monthly` for each folder of the inbox that is new or changed."""
    settings_flags = flags or {}
    with _platform(settings_flags, migrated=False) as platform:
        migrate_step.ensure_migrated(platform)
        return inbox_step.inbox(
            platform,
            lambda folder, as_of: monthly(str(folder), as_of.date(), flags=settings_flags),
            now=lambda: datetime.now(UTC),
        )
