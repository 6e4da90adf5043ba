"""Steps on users as methods: predict, explain, score, scores, monitor."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from streamflow.python_api.arguments import Day, parse_day, parse_path
from streamflow.python_api.open_installation import OpenInstallation

if TYPE_CHECKING:
    import polars as pl

    from streamflow.steps.monitoring.monitor import MonitorReceipt
    from streamflow.steps.serving.explain import ExplainedPrediction
    from streamflow.steps.serving.predict import Prediction
    from streamflow.steps.serving.score import ScoreReceipt

Key = str | int  # of a user


class ServingSteps(OpenInstallation):
    """Predict for users with the version in Production, and watch it."""

    def predict(self, key: Key) -> Prediction:
        """Predict for one user from the live features. The prediction is logged."""
        from streamflow.steps.serving.predict import predict

        with self._session() as platform:
            return predict(platform, str(key), now=datetime.now(UTC))

    def explain(self, key: Key) -> ExplainedPrediction:
        """Say how much each feature adds to the prediction for one user. Nothing is logged."""
        from streamflow.steps.serving.explain import explain

        with self._session() as platform:
            return explain(platform, str(key), now=datetime.now(UTC))

    def score(
        self,
        as_of: Day,
        *,
        version: int | None = None,
        out: str | Path | None = None,
        explain: bool = False,
    ) -> ScoreReceipt:
        """Predict for all users of a drop; `scores` reads the rows.

        Args:
            as_of: the drop.
            version: by default the one in Production.
            out: also write the rows to this .csv or .parquet file.
            explain: add the main reasons to each row.
        """
        from streamflow.steps.serving.score import score

        instant = parse_day(as_of)
        with self._session() as platform:
            return score(platform, instant, version=version, out=parse_path(out), explain=explain)

    def scores(self, receipt: ScoreReceipt) -> pl.DataFrame:
        """Return the rows that `score` made: a row for each user, ordered by the key.

        The columns are the key, prediction, probability, missing, defaulted, features_as_of, and
        with `explain` the reasons as JSON.
        """
        import polars as pl

        from streamflow.warehouse.scores import read_scores

        with self._session() as platform:
            rows = pl.concat(read_scores(platform.address, receipt.run))
            return rows.rename({"key": platform.catalog.entity.key})

    def monitor(self, as_of: Day, *, out: str | Path | None = None) -> MonitorReceipt:
        """Compare a drop with the training data of the version in Production.

        Args:
            as_of: the drop.
            out: the page to write; by default reports/monitor_<D>.html in the state folder.
        """
        from streamflow.steps.monitoring.monitor import monitor

        instant = parse_day(as_of)
        with self._session() as platform:
            return monitor(platform, instant, out=parse_path(out))
