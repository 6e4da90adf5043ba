"""POST /explain: the reasons for what is said of one key.

The computing takes 0.1 s for a forest of 300 trees (0.4 s on a busy machine), under 1 ms for the other kinds. LightGBM lets go of
the interpreter's lock meanwhile: run `reasons_of` in a thread, and no other request waits for it.

FastAPI reads annotations of functions that are made per application: they must be values here, not text.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from streamflow.core.explain import Contribution
from streamflow.steps.reasons import Reasons

Finding = Callable[[Request, str | int], Awaitable[Reasons]]  # (request, key as it was sent) -> its reasons


def reasons_router(ask: type[BaseModel], key_name: str, find: Finding) -> APIRouter:
    """The endpoint; `ask` is the body of /predict, `find` reads the live features and computes in a thread."""
    router = APIRouter()

    @router.post("/explain")
    async def explain(body: ask, request: Request) -> dict[str, Any]:  # type: ignore[valid-type]  # made from the catalog
        """What each feature adds to what the served version says of one key, beside what is usual."""
        return explained(await find(request, getattr(body, key_name)), key_name)

    return router


def explained(found: Reasons, key_name: str) -> dict[str, Any]:
    """The body of the answer: base + the contributions = margin, to 1e-6; the largest contribution first."""
    return {
        key_name: found.key,
        "prediction": found.prediction,
        "probability": found.probability,
        "threshold": found.threshold,
        "unit": found.explanation.unit,
        "base": found.explanation.base,
        "margin": found.explanation.margin,
        "contributions": [_contribution(c) for c in found.explanation.contributions],
        "model": {"name": found.model, "version": found.version, "run_id": found.run_id},
        "as_of": found.as_of.isoformat(),
    }


def _contribution(one: Contribution) -> dict[str, Any]:
    return {
        "feature": one.feature,
        "words": one.words,
        "value": one.value,
        "population": {"mean": one.population.mean, "share": one.population.share},
        "contribution": one.contribution,
    }
