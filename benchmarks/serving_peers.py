"""The servers that `serving.py` compares with ours. Each of them is a FastAPI application.

`python serving_peers.py NAME PORT` serves one of them. They find PostgreSQL, MLflow and the feature
repository by the variables of stock clients, as `streamflow exec` sets them.

Annotations are objects in this module, not text: FastAPI reads those of functions that are made for
each application.
"""

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

POOL_SIZE = 8  # as in api/state.py

ROWS = """
    SELECT subs.user_id, subs.as_of,
        months_active, monthly_fee, paperless_billing,
        plan_stream_tv, plan_stream_movies, net_service,
        watch_hours_30d, avg_session_mins_7d, unique_devices_30d, skips_7d, rebuffer_events_7d,
        failed_payments_90d,
        support_tickets_90d, ticket_avg_resolution_hrs_90d
    FROM online.subs_profile_fv AS subs
        JOIN online.usage_agg_30d_fv USING (user_id)
        JOIN online.payments_agg_90d_fv USING (user_id)
        JOIN online.support_agg_90d_fv USING (user_id)
"""
SELECT = f"{ROWS} WHERE user_id = %s"


class Ask(BaseModel):
    """The body of every /predict."""

    user_id: str


def reference() -> FastAPI:
    """The Feast SDK and MLflow's model in a `def` endpoint, as most people write it.

    The model is the bare pipeline: MLflow's pyfunc of a version is our own predictor.
    """
    import mlflow
    import pandas as pd
    from feast import FeatureStore

    app = FastAPI()
    store = FeatureStore(repo_path=os.environ["FEATURE_REPO_DIR_ENV_VAR"])
    version = "models:/streamflow_churn/Production"
    model = mlflow.sklearn.load_model(version)
    names = mlflow.models.get_model_info(version).signature.inputs.input_names()
    refs = [
        f"{view.name}:{field.name}"
        for view in store.list_feature_views()
        for field in view.features
        if field.name in names
    ]

    @app.post("/predict")
    def predict(body: Ask) -> dict[str, Any]:
        found = store.get_online_features(
            features=refs, entity_rows=[{"user_id": body.user_id}]
        ).to_dict()
        features = {name: found[name][0] for name in names}
        prediction = model.predict(pd.DataFrame([features]))
        return {
            "user_id": body.user_id,
            "prediction": int(prediction[0]),
            "features_used": features,
        }

    return app


def empty() -> FastAPI:
    """Nothing but the frame."""
    app = FastAPI()

    @app.post("/predict")
    async def predict() -> dict[str, str]:
        return {}

    return app


def select_async() -> FastAPI:
    """The same rows by one prepared SELECT on an asynchronous pool, on the event loop."""
    from psycopg_pool import AsyncConnectionPool

    pool = AsyncConnectionPool(
        "", min_size=1, max_size=POOL_SIZE, kwargs={"autocommit": True}, open=False
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with pool:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/predict")
    async def predict(body: Ask) -> dict[str, Any]:
        async with pool.connection() as connection:
            cursor = await connection.execute(SELECT, [body.user_id], prepare=True, binary=True)
            row = await cursor.fetchone()
        assert row is not None
        assert cursor.description is not None
        return dict(zip((column.name for column in cursor.description), row, strict=True))

    return app


def select_sync() -> FastAPI:
    """The same rows by one prepared SELECT on a synchronous pool, in FastAPI's threads."""
    from psycopg_pool import ConnectionPool

    pool = ConnectionPool(
        "", min_size=1, max_size=POOL_SIZE, kwargs={"autocommit": True}, open=True
    )
    app = FastAPI()

    @app.post("/predict")
    def predict(body: Ask) -> dict[str, Any]:
        with pool.connection() as connection:
            cursor = connection.execute(SELECT, [body.user_id], prepare=True, binary=True)
            row = cursor.fetchone()
        assert row is not None
        assert cursor.description is not None
        return dict(zip((column.name for column in cursor.description), row, strict=True))

    return app


PEERS: dict[str, Callable[[], FastAPI]] = {
    f.__name__: f for f in (reference, empty, select_async, select_sync)
}

if __name__ == "__main__":
    uvicorn.run(
        PEERS[sys.argv[1]](),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        log_level="warning",
        access_log=False,
    )
