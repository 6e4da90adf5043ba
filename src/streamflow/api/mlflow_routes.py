"""The routes of MLflow's scoring server. Its model reads keys, and gives predictions.

FastAPI reads the annotations of functions that are made for each application. They must be types
here, not text, so this module has no `from __future__ import annotations`.
"""

from importlib.metadata import version as installed_version

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

from streamflow.api.invocation_schema import build_invocation_models
from streamflow.api.json_response import json_response
from streamflow.api.operations import EVERYWHERE, GUARDED, MLFLOW, WITH_BODY, describe_answers
from streamflow.api.prediction_entries import decision_values, model_name
from streamflow.api.state import ServingState
from streamflow.api.strict_json import list_route
from streamflow.api.whole_answers import predict_all
from streamflow.errors import VersionMissing
from streamflow.web.request_context import notes_of


def add_mlflow_routes(app: FastAPI, state: ServingState) -> None:
    """Add the routes of MLflow's server to the application."""
    _add_invocations(app, state)
    _add_ping(app, state)


def _add_invocations(app: FastAPI, state: ServingState) -> None:
    key_name = state.platform.catalog.entity.key
    max_ids = state.platform.settings.api_max_ids
    models = build_invocation_models(state.platform.catalog, max_ids)
    invocation = models.request

    async def invocations(
        body: invocation,  # type: ignore[valid-type]
        request: Request,
    ) -> Response:
        """Predict for keys, as /predict does for each of them.

        If one key has no prediction, the request is refused with the error of that key.
        """
        keys = body.list_keys(key_name)  # type: ignore[attr-defined]
        serving, predictions = await predict_all(state, keys, notes_of(request))
        entries = [
            {key_name: prediction.key, **decision_values(prediction)} for prediction in predictions
        ]
        return json_response({"predictions": entries, "model": model_name(serving)})

    app.router.add_api_route(
        "/invocations",
        invocations,
        methods=["POST"],
        operation_id="invoke",
        tags=[MLFLOW],
        response_model=None,
        responses=describe_answers(models.answer, *WITH_BODY, 404),
        route_class_override=list_route(max_ids),
    )


def _add_ping(app: FastAPI, state: ServingState) -> None:
    mlflow_version = installed_version("mlflow-skinny")

    @app.get(
        "/ping",
        operation_id="ping",
        tags=[MLFLOW],
        response_class=Response,  # the answers with an error are JSON
        responses=describe_answers(None, *EVERYWHERE, 503),
    )
    async def ping() -> PlainTextResponse:
        """Answer that a version is loaded. /ready says whether it can predict."""
        if state.current.serving is None:
            # The reason may name hosts, and everybody may ask here.
            raise VersionMissing("no version is loaded", remedy="GET /ready gives the reason.")
        return PlainTextResponse("\n")

    @app.get(
        "/version",
        operation_id="get_mlflow_version",
        tags=[MLFLOW],
        response_class=Response,  # the answers with an error are JSON
        responses=describe_answers(None, *GUARDED),
    )
    async def version() -> PlainTextResponse:
        """Return the release of MLflow that this server has, as MLflow's server does."""
        return PlainTextResponse(mlflow_version)
