"""A request that waits for its predictions, and the time limit of each of its phases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

from streamflow.errors import Overloaded
from streamflow.steps.serving.predict import Prediction, RowRefusal
from streamflow.steps.serving.serving_version import Serving
from streamflow.web.request_context import Notes

Phase = Literal["queue", "features", "model", "log"]
Answer = Prediction | RowRefusal


@dataclass(slots=True, eq=False)
class PendingRequest:
    """A request that waits for its answers: one per key, in the order of the keys.

    Attributes:
        keys: the keys that the request asks about
        notes: the notes on the request
        limit: how long a phase may take, in seconds
        answers: the version and its answers, once they are known
        needs_all: whether the client gets no prediction at all if one of its keys has none
        phase: the phase that the request is in
        entered: the instant when the phase began, as `perf_counter` measures it
    """

    keys: Sequence[str | int]
    notes: Notes
    limit: float
    answers: asyncio.Future[tuple[Serving, list[Answer]]]
    needs_all: bool = False
    phase: Phase = "queue"
    entered: float = 0.0

    def enter(self, phase: Phase) -> None:
        """Begin a phase. Each phase has the full time limit."""
        self.phase = phase
        self.entered = perf_counter()
        self.notes.phases.append((phase, self.entered))

    def watch(self) -> None:
        """Fail when a phase has taken too long; before that, look again at the time limit."""
        if self.answers.done():
            return
        remaining_s = self.entered + self.limit - perf_counter()
        if remaining_s > 0:
            self.answers.get_loop().call_later(remaining_s, self.watch)
            return
        message = f"no answer within {self.limit:g} s, in the phase '{self.phase}'"
        self.fail(Overloaded(message, phase=self.phase))

    def given_predictions(self, answers: Iterable[Answer]) -> list[Prediction]:
        """Return those of its answers that are predictions, and that the client gets."""
        all_answers = list(answers)
        predictions = [answer for answer in all_answers if isinstance(answer, Prediction)]
        is_refused = self.needs_all and len(predictions) < len(all_answers)
        return [] if is_refused else predictions

    def succeed(self, serving: Serving, answers: list[Answer]) -> bool:
        """Deliver the answers; False if the request has already ended."""
        if self.answers.done():
            return False
        self.answers.set_result((serving, answers))
        return True

    def fail(self, error: BaseException) -> None:
        """Answer the request with an error, unless it has already ended."""
        if not self.answers.done():
            self.answers.set_exception(error)
