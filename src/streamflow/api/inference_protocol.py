"""The endpoints of the Open Inference Protocol v2. Its model reads keys, and gives predictions.

FastAPI reads the annotations of functions that are made for each application. They must be types
here, not text, so this module has no `from __future__ import annotations`.
"""

from typing import Annotated, Any

from fastapi import FastAPI, Path, Request, Response
from starlette.exceptions import HTTPException

from streamflow import __version__
from streamflow.api.answers import Refusal
from streamflow.api.inference_schema import (
    OUTPUTS,
    InferenceAnswer,
    InferenceModelAnswer,
    LiveAnswer,
    ModelReadyAnswer,
    ServerAnswer,
    ServerReadyAnswer,
    build_inference_request,
    build_outputs,
    key_tensor,
    require_shape,
)
from streamflow.api.json_response import json_response
from streamflow.api.operations import (
    EVERYWHERE,
    GUARDED,
    INFERENCE,
    READING,
    WITH_BODY,
    describe_answers,
)
from streamflow.api.state import ServingState
from streamflow.api.strict_json import list_route
from streamflow.api.whole_answers import predict_all
from streamflow.web.request_context import notes_of

ModelPath = Annotated[str, Path(description="the name of the model")]


def add_inference_protocol(app: FastAPI, state: ServingState) -> None:
    """Add the endpoints of the protocol to the application."""
    _add_server(app, state)
    _add_model(app, state)
    _add_infer(app, state)


def _add_server(app: FastAPI, state: ServingState) -> None:
    @app.get(
        "/v2",
        operation_id="get_inference_server",
        tags=[INFERENCE],
        response_model=None,
        responses=describe_answers(ServerAnswer, *GUARDED),
    )
    async def inference_server() -> dict[str, Any]:
        """Return the name and the release of the server."""
        return {"name": "streamflow", "version": __version__, "extensions": []}

    @app.get(
        "/v2/health/live",
        operation_id="get_inference_live",
        tags=[INFERENCE],
        response_model=None,
        responses=describe_answers(LiveAnswer, *EVERYWHERE),
    )
    async def inference_live() -> dict[str, bool]:
        """Answer that the server is alive."""
        return {"live": True}

    not_ready = {"model": ServerReadyAnswer, "description": "not ready"}

    @app.get(
        "/v2/health/ready",
        operation_id="get_inference_ready",
        tags=[INFERENCE],
        response_model=None,
        responses={**describe_answers(ServerReadyAnswer, *EVERYWHERE, 500), 503: not_ready},
    )
    async def inference_ready(response: Response) -> dict[str, bool]:
        """Answer whether the server can predict now. /ready gives the reasons."""
        return {"ready": await _check_ready(state, response)}


def _add_model(app: FastAPI, state: ServingState) -> None:
    catalog = state.platform.catalog

    @app.get(
        "/v2/models/{model_name}",
        operation_id="get_inference_model",
        tags=[INFERENCE],
        response_model=None,
        responses=describe_answers(InferenceModelAnswer, *GUARDED, 404),
    )
    async def inference_model(model_name: ModelPath) -> dict[str, Any]:
        """Return the tensors that the model reads and gives."""
        _require_model(state, model_name)
        outputs = [
            {"name": name, "datatype": datatype, "shape": [-1]}
            for name, datatype in OUTPUTS.items()
        ]
        inputs = [key_tensor(catalog).describe()]
        return {
            "name": catalog.model,
            "platform": "streamflow",
            "inputs": inputs,
            "outputs": outputs,
        }

    # While the keys cannot be read, 503 is a refusal, as for every path that asks for a key.
    not_ready = {"model": ModelReadyAnswer | Refusal, "description": "not ready, or refused"}

    @app.get(
        "/v2/models/{model_name}/ready",
        operation_id="get_inference_model_ready",
        tags=[INFERENCE],
        response_model=None,
        responses={**describe_answers(ModelReadyAnswer, *READING, 404), 503: not_ready},
    )
    async def inference_model_ready(model_name: ModelPath, response: Response) -> dict[str, Any]:
        """Answer whether the model can predict now. /ready gives the reasons."""
        _require_model(state, model_name)
        return {"name": catalog.model, "ready": await _check_ready(state, response)}


def _add_infer(app: FastAPI, state: ServingState) -> None:
    max_ids = state.platform.settings.api_max_ids
    infer_request = build_inference_request(state.platform.catalog, max_ids)

    async def infer(
        model_name: ModelPath,
        body: infer_request,  # type: ignore[valid-type]
        request: Request,
    ) -> Response:
        """Predict for keys, as /predict does for each of them.

        If one key has no prediction, the request is refused with the error of that key.
        """
        _require_model(state, model_name)
        [tensor] = body.inputs  # type: ignore[attr-defined]
        require_shape(tensor)
        serving, predictions = await predict_all(state, tensor.keys, notes_of(request))
        requested_outputs = body.outputs or []  # type: ignore[attr-defined]
        names = dict.fromkeys(output.name for output in requested_outputs)
        answer = {
            "model_name": serving.model,
            "model_version": str(serving.version),
            "outputs": build_outputs(predictions, list(names or OUTPUTS)),
        }
        identifier = body.id  # type: ignore[attr-defined]
        return json_response(answer if identifier is None else {"id": identifier, **answer})

    app.router.add_api_route(
        "/v2/models/{model_name}/infer",
        infer,
        methods=["POST"],
        operation_id="infer",
        tags=[INFERENCE],
        response_model=None,
        responses=describe_answers(InferenceAnswer, *WITH_BODY, 404),
        route_class_override=list_route(max_ids),
    )


def _require_model(state: ServingState, name: str) -> None:
    """Refuse the name of a different model with 404."""
    model = state.platform.catalog.model
    if name != model:
        raise HTTPException(404, f"this API has the model {model!r} and no model with this name")


async def _check_ready(state: ServingState, response: Response) -> bool:
    readiness = await state.readiness()
    response.status_code = 503 if readiness.reasons else 200
    return not readiness.reasons
