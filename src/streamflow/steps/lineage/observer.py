"""The observer of steps: lineage events at the beginning and the end of each run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from streamflow.errors import StreamflowError
from streamflow.interrupts import is_caused_by_interrupt

if TYPE_CHECKING:
    from streamflow.outbound.lineage_events import EventType, Facets, StepData, StepRun
    from streamflow.outbound.lineage_receiver import LineageReceiver
    from streamflow.platform import Platform
    from streamflow.settings import Settings


def read_clock() -> datetime:
    """Return the instant of an event."""
    return datetime.now(UTC)


class StepReporter:
    """Observes the steps of one open platform.

    One step runs at a time. A step that runs inside another one has that one as its parent.
    """

    def __init__(self, clock: Callable[[], datetime] = read_clock) -> None:
        """Begin without a run. `clock` returns the instant of an event."""
        self._clock = clock
        self._runs: list[StepRun] = []
        self._receiver: LineageReceiver | None = None
        self._depth = 0

    @contextmanager
    def __call__(
        self, step: str, platform: Platform, arguments: Mapping[str, object]
    ) -> Iterator[Callable[[object], None]]:
        """Surround one run of a step. What is yielded is called with its receipt.

        After a step that no other step called, the webhooks are delivered that wait.
        """
        self._depth += 1
        try:
            with self._report_run(step, platform, arguments) as finish:
                yield finish
        finally:
            self._depth -= 1
        if not self._depth and platform.settings.webhook_url is not None:
            from streamflow.steps.stages.webhooks import deliver_after_step

            with stopping_no_step(platform, "webhooks are not delivered"):
                deliver_after_step(platform)

    @contextmanager
    def _report_run(
        self, step: str, platform: Platform, arguments: Mapping[str, object]
    ) -> Iterator[Callable[[object], None]]:
        """Send the events of the beginning and of the end of a run.

        The event of the end is sent after the step has committed, so no event can undo it.
        """
        if not is_lineage_wanted(platform.settings):
            yield lambda _: None
            return
        receipts: list[object] = []
        run = self._begin(step, platform)
        try:
            yield receipts.append
        except BaseException as exc:
            # GeneratorExit or KeyboardInterrupt: somebody ended the step.
            is_failure = isinstance(exc, Exception) and not is_caused_by_interrupt(exc)
            self._report_failure("FAIL" if is_failure else "ABORT", platform, run, exc)
            raise
        else:
            self._report_completion(step, platform, run, receipts[0], arguments)
        finally:
            self._runs.remove(run)

    def _begin(self, step: str, platform: Platform) -> StepRun:
        """Report the beginning of a run. Its datasets are known only at its end."""
        from streamflow.outbound.lineage_events import StepData, StepRun

        run = StepRun(
            run_id=str(uuid4()),
            namespace=platform.settings.lineage_namespace,
            job=f"{platform.catalog.model}.{step}",
            parent=self._runs[-1] if self._runs else None,
        )
        self._runs.append(run)
        self._report("START", platform, run, StepData())
        return run

    def _report_completion(
        self,
        step: str,
        platform: Platform,
        run: StepRun,
        receipt: object,
        arguments: Mapping[str, object],
    ) -> None:
        """Report what a step read and wrote. If this cannot be found out, report that."""
        from streamflow.outbound.lineage_events import StepData
        from streamflow.steps.lineage.step_data import describe_step

        data = StepData()
        with stopping_no_step(platform, f"lineage of {step} names no datasets"):
            data = describe_step(step, platform, receipt, arguments)
        self._report("COMPLETE", platform, run, data)

    def _report_failure(
        self, kind: EventType, platform: Platform, run: StepRun, error: BaseException
    ) -> None:
        from streamflow.outbound.lineage_events import StepData, make_error_facet

        facets: Facets = {"errorMessage": make_error_facet(error)}
        self._report(kind, platform, run, StepData(run_facets=facets))

    def _report(self, kind: EventType, platform: Platform, run: StepRun, data: StepData) -> None:
        from streamflow.outbound.lineage_events import make_event

        with stopping_no_step(platform, f"lineage of {run.job} is not written"):
            if self._receiver is None:
                self._receiver = open_receiver(platform)
            self._receiver.take(make_event(kind, self._clock(), run, data))


@contextmanager
def stopping_no_step(platform: Platform, consequence: str) -> Iterator[None]:
    """Say in one line what an error in the block leads to, and go on.

    The step has committed, or has an error of its own. An error here must change neither: a caller
    that tries the step again would do its work twice.
    """
    try:
        yield
    except Exception as exc:  # noqa: BLE001
        reason = exc.message if isinstance(exc, StreamflowError) else type(exc).__name__
        platform.notify(f"{consequence}: {reason}")


def is_lineage_wanted(settings: Settings) -> bool:
    """Return whether a setting says where lineage events go."""
    return settings.lineage_file is not None or settings.lineage_url is not None


def open_receiver(platform: Platform) -> LineageReceiver:
    """Return the receiver that the settings name."""
    from streamflow.outbound.lineage_receiver import LineageReceiver

    settings = platform.settings
    api_key = settings.lineage_api_key
    return LineageReceiver(
        file=settings.lineage_file,
        url=settings.lineage_url,
        api_key=api_key.get_secret_value() if api_key else None,
        notify=partial(platform.notify),
    )
