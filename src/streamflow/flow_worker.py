"""The worker: make Prefect's deployments of our flows, and run what Prefect starts."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version as distribution_version
from typing import Any

from prefect import Flow
from prefect import serve as serve_deployments
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.types.entrypoint import EntrypointType

from streamflow.flows import TAG, inbox, monthly, train, train_and_compare
from streamflow.packages import DISTRIBUTION

PAUSED_INTERVAL_S = 86_400  # a paused schedule needs an interval too
MAX_RUNS = 2  # of a worker at a time: a model may be trained while a drop is loaded


def serve(
    flags: Mapping[str, str],
    *,
    inbox_every_s: int,
    has_inbox: bool,
    retrain_every_s: int | None,
    on_verdict: bool,
    months: int,
) -> None:
    """Run flows for Prefect's server in this process until SIGTERM or Ctrl-C.

    `inbox` and `train_and_compare` run in the given intervals of seconds; a run that is due while
    an earlier one still works is left out. Without an inbox, or an interval, the schedule is
    paused: Prefect would otherwise keep the schedule of an earlier worker.
    `train_and_compare` trains on this many `months`.
    """
    one_at_a_time = ConcurrencyLimitConfig(
        limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
    )
    serve_deployments(
        _deployment(monthly, flags),
        _deployment(train, flags),
        _deployment(
            inbox,
            flags,
            interval=inbox_every_s,
            paused=not has_inbox,
            concurrency_limit=one_at_a_time,
        ),
        _deployment(
            train_and_compare,
            flags,
            parameters={"on_verdict": on_verdict, "months": months},
            interval=retrain_every_s or PAUSED_INTERVAL_S,
            paused=retrain_every_s is None,
            concurrency_limit=one_at_a_time,
        ),
        limit=MAX_RUNS,
        print_starting_message=False,
    )


def _deployment(
    deployed_flow: Flow[..., Any],
    flags: Mapping[str, str],
    *,
    parameters: Mapping[str, Any] | None = None,
    **schedule: Any,
) -> RunnerDeployment:
    """Return a deployment of a flow, which Prefect finds by its module."""
    deployment = deployed_flow.to_deployment(
        deployed_flow.name,
        parameters={"flags": dict(flags), **(parameters or {})},
        entrypoint_type=EntrypointType.MODULE_PATH,
        tags=[TAG],
        version=distribution_version(DISTRIBUTION),
        **schedule,
    )
    assert isinstance(deployment, RunnerDeployment)  # a coroutine only inside an event loop
    return deployment
