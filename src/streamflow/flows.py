"""The flows: Prefect decorates the steps from outside; a step never knows.

Parameters are plain values, so that any worker can run a task: each opens the platform by itself. Annotations are objects
here, not text: a worker of Prefect loads this module under no name, where no text would be resolved.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Flow, Task, flow
from prefect import serve as serve_deployments
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.types.entrypoint import EntrypointType

from streamflow.errors import StreamflowError
from streamflow.platform import open_platform
from streamflow.settings import load_settings
from streamflow.steps.data import inbox as inbox_step
from streamflow.steps.data import ingest as ingest_step
from streamflow.steps.data import materialize as materialize_step
from streamflow.steps.data import migrate as migrate_step
from streamflow.steps.data import snapshot as snapshot_step
from streamflow.steps.data.inbox import InboxReceipt
from streamflow.steps.data.ingest import IngestReceipt
from streamflow.steps.data.materialize import MaterializeReceipt
from streamflow.steps.data.snapshot import SnapshotReceipt
from streamflow.steps.promotion import promote as promote_step
from streamflow.steps.promotion import retrain as retrain_step
from streamflow.steps.promotion.promote import PromoteReceipt
from streamflow.steps.promotion.retrain import RetrainReceipt
from streamflow.steps.training import train as train_step
from streamflow.steps.training.train import TrainReceipt

NEVER_S = 86_400  # of a schedule that is paused
RUNS = 2  # of a worker at a time: a model may be trained while a drop is loaded
SETTLE_S = 10  # the longest wait for Prefect to take its own logs and events
P = ParamSpec("P")
R = TypeVar("R")
Flags = Mapping[str, Any]  # settings given on the command line: they win over environment and file


@dataclass(frozen=True, kw_only=True)
class MonthlyReceipt:
    """Ingest, snapshot and materialize of one drop."""

    ingest: IngestReceipt
    snapshot: SnapshotReceipt
    materialize: MaterializeReceipt


@dataclass(frozen=True, kw_only=True)
class DemoReceipt:
    """What the demo did before the API is asked."""

    months: tuple[MonthlyReceipt, ...]
    train: TrainReceipt
    promote: PromoteReceipt
    retrain: RetrainReceipt | None


@contextmanager
def settled() -> Iterator[None]:
    """Send what Prefect holds back (logs, events) before its server goes: at exit it would try for a minute."""
    try:
        yield
    finally:
        for worker in (APILogWorker, EventsWorker):
            worker.drain_all(timeout=SETTLE_S)


def is_retryable(_task: object, _run: object, state: Any) -> bool:
    """Only what can pass by itself is tried again: the class of the error says so."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, StreamflowError) and error.retryable


def step(name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """A task around one step: three tries for transient errors, no caching, nothing persisted."""

    def decorated(function: Callable[P, R]) -> Task[P, R]:
        return Task(
            function,
            name=name,
            retries=2,
            retry_delay_seconds=[1, 5],
            retry_condition_fn=is_retryable,
            cache_policy=NO_CACHE,
        )

    return decorated


@step("ingest")
def ingest(
    folder: str, as_of: date, allow_same: bool, reject_rows: bool, flags: Flags
) -> IngestReceipt:
    """Validate and write a drop; an empty database is migrated first."""
    with open_platform(load_settings(**flags), migrated=False) as platform:
        migrate_step.ensure_migrated(platform)
        return ingest_step.ingest(
            platform, Path(folder), as_of, allow_same=allow_same, reject_rows=reject_rows
        )


@step("snapshot")
def snapshot(as_of: date, flags: Flags) -> SnapshotReceipt:
    """Freeze a drop."""
    with open_platform(load_settings(**flags)) as platform:
        return snapshot_step.snapshot(platform, as_of)


@step("materialize")
def materialize(flags: Flags) -> MaterializeReceipt:
    """Make the newest drop live."""
    with open_platform(load_settings(**flags)) as platform:
        return materialize_step.materialize(platform)


@step("train")
def train_version(as_of: date, label_lead: int, flags: Flags) -> TrainReceipt:
    """Train and register a version."""
    with open_platform(load_settings(**flags)) as platform:
        return train_step.train(platform, as_of, label_lead=label_lead)


@step("promote")
def promote(version: int, why: str, force: bool, flags: Flags) -> PromoteReceipt:
    """Put a version into Production if the gate lets it, or by force."""
    with open_platform(load_settings(**flags)) as platform:
        return promote_step.promote(platform, version, why=why, force=force)


@flow(name="monthly")
def monthly(
    folder: str,
    as_of: date,
    allow_same: bool = False,
    reject_rows: bool = False,
    flags: Flags | None = None,
) -> MonthlyReceipt:
    """What happens with each monthly drop."""
    given = flags or {}
    return MonthlyReceipt(
        ingest=ingest(folder, as_of, allow_same, reject_rows, given),
        snapshot=snapshot(as_of, given),
        materialize=materialize(given),
    )


@flow(name="train")
def train(as_of: date, label_lead: int = 0, flags: Flags | None = None) -> TrainReceipt:
    """Train the baseline and register it."""
    receipt: TrainReceipt = train_version(as_of, label_lead, flags or {})
    return receipt


@flow(name="demo")
def demo(drops: list[tuple[str, date]], flags: Flags | None = None) -> DemoReceipt:
    """The first month, a model trained on it and its promotion; the later months, and a challenger trained on the last."""
    given = flags or {}
    months = [monthly(*drops[0], flags=given)]
    trained = train(drops[0][1], 0, given)
    promoted = promote(
        trained.version, "the demo", True, given
    )  # there is no champion yet: something has to be served
    months += [monthly(folder, as_of, flags=given) for folder, as_of in drops[1:]]
    challenged = train_and_compare(why="the demo", force=True, flags=given) if drops[1:] else None
    return DemoReceipt(months=tuple(months), train=trained, promote=promoted, retrain=challenged)


@step("retrain")
def retrain(
    as_of: date | None, label_lead: int, why: str, force: bool, on_verdict: bool, flags: Flags
) -> RetrainReceipt:
    """Train, and let the gate decide; on evidence that was decided before it does nothing."""
    with open_platform(load_settings(**flags)) as platform:
        return retrain_step.retrain(
            platform, as_of, label_lead=label_lead, why=why, force=force, on_verdict=on_verdict
        )


@flow(name="train_and_compare")
def train_and_compare(
    as_of: date | None = None,
    label_lead: int = 0,
    why: str = "scheduled",
    force: bool = False,
    on_verdict: bool = False,
    flags: Flags | None = None,
) -> RetrainReceipt:
    """Train on the newest labelled drop, or on that of `as_of`, and promote the version if the gate lets it."""
    return retrain(as_of, label_lead, why, force, on_verdict, flags or {})


@flow(name="inbox")
def inbox(flags: Flags | None = None) -> InboxReceipt:
    """`monthly` for each folder of the inbox that is new or changed."""
    given = flags or {}
    with open_platform(load_settings(**given), migrated=False) as platform:
        migrate_step.ensure_migrated(platform)
        return inbox_step.inbox(
            platform,
            lambda folder, as_of: monthly(str(folder), as_of, flags=given),
            now=lambda: datetime.now(UTC),
        )


def serve(
    flags: Mapping[str, str],
    *,
    inbox_every_s: int,
    has_inbox: bool,
    retrain_every_s: int | None,
    on_verdict: bool,
) -> None:
    """Let Prefect's server run `monthly`, `train`, `inbox` and `train_and_compare` here until SIGTERM or Ctrl-C.

    `inbox` and `train_and_compare` run every so many seconds; a run that is due while another one works is left out. Without
    an inbox, or an interval, their schedule is paused, not absent: Prefect keeps the schedule that an earlier worker had.
    """
    alone = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
    every = {
        "interval": retrain_every_s or NEVER_S,
        "paused": retrain_every_s is None,
        "concurrency_limit": alone,
    }
    serve_deployments(
        _deployment(monthly, flags),
        _deployment(train, flags),
        _deployment(
            inbox, flags, interval=inbox_every_s, paused=not has_inbox, concurrency_limit=alone
        ),
        _deployment(train_and_compare, flags, more={"on_verdict": on_verdict}, **every),
        limit=RUNS,
        print_starting_message=False,
    )


def _deployment(
    which: Flow[..., Any],
    flags: Mapping[str, str],
    *,
    more: Mapping[str, Any] | None = None,
    **schedule: Any,
) -> RunnerDeployment:
    """Found by module, from whatever folder the worker runs in."""
    made = which.to_deployment(
        which.name,
        parameters={"flags": dict(flags), **(more or {})},
        entrypoint_type=EntrypointType.MODULE_PATH,
        **schedule,
    )
    assert isinstance(made, RunnerDeployment)  # a coroutine only where a loop runs
    return made
