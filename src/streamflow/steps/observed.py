"""Mark the steps that read or write data: an observer of the platform learns of each run."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, ParamSpec, TypeVar

from streamflow.platform import Platform

P = ParamSpec("P")
R = TypeVar("R")
Step = Callable[Concatenate[Platform, P], R]


def observed(name: str) -> Callable[[Step[P, R]], Step[P, R]]:
    """Return a decorator for a step: the observer of its platform surrounds each of its runs.

    Args:
        name: of the step, as the observer reports it.
    """

    def decorate(function: Step[P, R]) -> Step[P, R]:
        signature = inspect.signature(function)

        def run(platform: Platform, /, *args: P.args, **kwargs: P.kwargs) -> R:
            if platform.observer is None:
                return function(platform, *args, **kwargs)
            arguments = signature.bind(platform, *args, **kwargs).arguments
            with platform.observer(name, platform, arguments) as finish:
                receipt = function(platform, *args, **kwargs)
                finish(receipt)
            return receipt

        update_wrapper(run, function)
        return run

    return decorate
