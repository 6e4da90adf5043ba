"""Build Grafana's dashboards.

`make dashboards` writes them; a test compares the committed files with the ones that this builds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import Dashboard, ThresholdsConfig
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import (
    BigValueTextMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import DataSourceRef, Threshold

FOLDER = Path(__file__).with_name("dashboards")
PROMETHEUS = DataSourceRef(type_val="prometheus", uid="prometheus")
POSTGRESQL = DataSourceRef(type_val="grafana-postgresql-datasource", uid="postgresql")
DAY = "date_trunc('day', at)"


@dataclass(frozen=True, kw_only=True)
class Sql(Dataquery, Builder["Sql"]):
    """A query of PostgreSQL, as Grafana's editor stores it: the SDK has no such class."""

    sql: str
    format: str = "time_series"
    ref_id: str = "A"  # the builders of the SDK read it

    def build(self) -> Sql:
        """It is its own builder."""
        return self

    def to_json(self) -> dict[str, object]:
        """For the SDK's encoder."""
        return {
            "refId": self.ref_id,
            "datasource": POSTGRESQL,
            "editorMode": "code",
            "format": self.format,
            "rawQuery": True,
            "rawSql": self.sql,
        }


def series(title: str, *, unit: str = "short", span: int = 12, text: str = "") -> timeseries.Panel:
    """A panel of lines."""
    legend = (
        VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    return (
        timeseries.Panel()
        .title(title)
        .description(text)
        .unit(unit)
        .min(0)
        .span(span)
        .height(8)
        .legend(legend)
        .fill_opacity(10)
    )


def promql(title: str, *queries: tuple[str, str], **options: Any) -> timeseries.Panel:
    """Lines of Prometheus: (expression, legend)."""
    panel = series(title, **options).datasource(PROMETHEUS)
    for (expression, legend), ref in zip(queries, "ABCDEF", strict=False):
        panel.with_target(
            prometheus.Dataquery().expr(expression).legend_format(legend).range().ref_id(ref)
        )
    return panel


def sql(title: str, query: str, *, points: bool = False, **options: Any) -> timeseries.Panel:
    """Lines of PostgreSQL: the column `time`, then a column per line."""
    panel = series(title, **options).datasource(POSTGRESQL).with_target(Sql(sql=query))
    if points:  # a drop is a point in time, a month from the next one
        panel.draw_style(GraphDrawStyle.LINE).show_points(VisibilityMode.ALWAYS)
    return panel


def rows(title: str, query: str, *, span: int = 12, text: str = "") -> table.Panel:
    """A table of PostgreSQL."""
    panel = table.Panel().title(title).description(text).span(span).height(8).datasource(POSTGRESQL)
    return panel.with_target(Sql(sql=query, format="table"))


def now(
    title: str,
    expression: str,
    *,
    unit: str = "short",
    good_from: float | None = None,
    legend: str = "",
) -> stat.Panel:
    """One number of Prometheus, as of the last scrape; green from `good_from` on, red below."""
    query = prometheus.Dataquery().expr(expression).legend_format(legend).instant().ref_id("A")
    last = ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)
    panel = (
        stat.Panel()
        .title(title)
        .unit(unit)
        .span(6)
        .height(4)
        .datasource(PROMETHEUS)
        .with_target(query)
        .reduce_options(last)
    )
    if good_from is not None:
        panel.thresholds(
            ThresholdsConfig().steps(
                [Threshold(color="red"), Threshold(value=good_from, color="green")]
            )
        )
    return panel


def named(uid: str, title: str, *, since: str) -> Dashboard:
    """An empty dashboard."""
    frame = (
        Dashboard(f"streamflow: {title}")
        .uid(f"streamflow-{uid}")
        .tags(["streamflow"])
        .timezone("utc")
        .readonly()
    )
    return frame.time(since, "now").refresh("30s")


def api() -> Dashboard:
    """Requests, errors, latency, readiness."""
    asked = "rate(api_requests_total[$__rate_interval])"
    latency = "api_request_latency_seconds_bucket{path=~'/predict|/features/.*'}"
    bucket = f"sum by (le) (rate({latency}[$__rate_interval]))"
    failed = "sum(rate(api_requests_total{status=~'5..', path!='/ready'}[$__rate_interval]))"
    return (
        named("api", "API", since="now-6h")
        .with_panel(now("Ready", "streamflow_ready", good_from=1))
        .with_panel(now("Scraped", "up{job='api'}", good_from=1))
        .with_panel(now("Requests per second", f"sum({asked})", unit="reqps"))
        .with_panel(now("Age of the live features", "streamflow_feature_age_seconds", unit="s"))
        .with_panel(
            promql(
                "Requests by path",
                (f"sum by (method, path) ({asked})", "{{method}} {{path}}"),
                unit="reqps",
            )
        )
        .with_panel(
            promql("Answers by status", (f"sum by (status) ({asked})", "{{status}}"), unit="reqps")
        )
        .with_panel(
            promql(
                "Latency of predictions and features",
                *((f"histogram_quantile(0.{p}, {bucket})", f"p{p}") for p in (50, 95, 99)),
                unit="s",
            )
        )
        .with_panel(
            promql(
                "Mean latency by path",
                (
                    "sum by (path) (rate(api_request_latency_seconds_sum[$__rate_interval]))"
                    " / sum by (path) (rate(api_request_latency_seconds_count[$__rate_interval]))",
                    "{{path}}",
                ),
                unit="s",
            )
        )
        .with_panel(
            promql(
                "Errors by code",
                ("sum by (code) (rate(api_errors_total[$__rate_interval])) > 0", "{{code}}"),
                unit="reqps",
            )
        )
        .with_panel(
            promql(
                "Share of errors of ours", (f"{failed} / sum({asked})", "5xx"), unit="percentunit"
            )
        )
        .with_panel(
            promql("Readiness", ("streamflow_ready", "ready"), ("up{job='api'}", "scraped"))
        )
        .with_panel(
            promql(
                "Memory of the process",
                ("process_resident_memory_bytes{job='api'}", "resident"),
                unit="bytes",
            )
        )
    )


def model() -> Dashboard:
    """The version that answers, and what it answers."""
    hour = "date_trunc('hour', at)"
    quantiles = ", ".join(
        f'percentile_cont(0.{p}) WITHIN GROUP (ORDER BY probability) AS "p{p}"'
        for p in (10, 50, 90)
    )
    per_version = "sum by (version) (rate(streamflow_predictions_total[$__rate_interval]))"
    per_day = "sum(increase(streamflow_predictions_total[1d]))"
    positive_per_day = "sum(increase(streamflow_predictions_total{prediction='1'}[1d]))"
    positive = (
        "sum by (version) (rate(streamflow_predictions_total{prediction='1'}[$__rate_interval]))"
    )
    return (
        named("model", "model", since="now-7d")
        .with_panel(
            now(
                "Version that answers", "streamflow_model_info", legend="{{name}} {{version}}"
            ).text_mode(BigValueTextMode.NAME)
        )
        .with_panel(now("Predictions in the last day", per_day))
        .with_panel(now("Of them positive", f"{positive_per_day} / {per_day}", unit="percentunit"))
        .with_panel(now("Age of the live features", "streamflow_feature_age_seconds", unit="s"))
        .with_panel(
            promql("Predictions by version", (per_version, "version {{version}}"), unit="reqps")
        )
        .with_panel(
            promql(
                "Share of positive predictions",
                (f"{positive} / {per_version}", "version {{version}}"),
                unit="percentunit",
            )
        )
        .with_panel(
            sql(
                "Probability by hour",
                f"SELECT {hour} AS time, {quantiles} FROM streamflow.prediction_overview"
                " WHERE $__timeFilter(at) GROUP BY 1 ORDER BY 1",
                unit="percentunit",
                text="The 10th, 50th and 90th of 100 predictions, ordered by their probability.",
            )
        )
        .with_panel(
            sql(
                "Predictions by hour and version",
                f"SELECT {hour} AS time, 'version ' || version AS metric, count(*) AS predictions"
                " FROM streamflow.prediction_overview WHERE $__timeFilter(at)"
                " GROUP BY 1, 2 ORDER BY 1",
            )
        )
        .with_panel(
            rows(
                "Promotions",
                "SELECT at, model, version, stage, replaced, forced FROM streamflow.promotion"
                " ORDER BY at DESC LIMIT 50",
                span=24,
                text="The ledger, whatever the time range; who and why stand in the database.",
            )
        )
    )


def drift() -> Dashboard:
    """How drops and predictions change."""
    recent = "90d"
    return (
        named("drift", "drift", since="now-3y")
        .with_panel(
            sql(
                "Population of each drop",
                "SELECT as_of AS time, population FROM streamflow.drop_overview"
                " WHERE $__timeFilter(as_of) ORDER BY 1",
                points=True,
            )
        )
        .with_panel(
            sql(
                "Base rate of the label",
                'SELECT as_of AS time, positives::float8 / nullif(labelled, 0) AS "base rate"'
                " FROM streamflow.drop_overview WHERE $__timeFilter(as_of) ORDER BY 1",
                unit="percentunit",
                points=True,
                text="Of the newest revision of each drop's labels.",
            )
        )
        .with_panel(
            sql(
                "Rows of each table",
                "SELECT DISTINCT ON (as_of, table_name) as_of AS time, table_name AS metric, rows"
                " FROM streamflow.revision WHERE $__timeFilter(as_of)"
                " ORDER BY as_of, table_name, revision DESC",
                points=True,
                text="Of the newest revision: a feature view has the rows of its table.",
            )
        )
        .with_panel(
            rows(
                "Revisions",
                "SELECT as_of, table_name, max(revision) AS revisions, max(known_at) AS known_at"
                " FROM streamflow.revision WHERE $__timeFilter(as_of)"
                " GROUP BY as_of, table_name ORDER BY as_of DESC, table_name",
            )
        )
        .with_panel(
            sql(
                "PSI of each feature",
                "SELECT DISTINCT ON (as_of, feature) as_of AS time, feature AS metric, psi"
                " FROM streamflow.drift_overview WHERE $__timeFilter(as_of)"
                " ORDER BY as_of, feature, id DESC",
                points=True,
                text="In nats, against the training set of the version in Production;"
                " of the newest report on each drop.",
            )
        )
        .with_panel(
            sql(
                "AUC on hold-out users",
                'SELECT DISTINCT ON (as_of) as_of AS time, auc AS "now",'
                ' auc_at_training AS "at its training" FROM streamflow.monitor_report'
                " WHERE $__timeFilter(as_of) ORDER BY as_of, id DESC",
                unit="percentunit",
                points=True,
                text="Of the version that was in Production"
                " when the newest report on the drop was made.",
            )
        )
        .with_panel(
            rows(
                "Reports of monitor",
                "SELECT as_of, at, version, verdict, auc, auc_at_training, positive_share"
                " FROM streamflow.monitor_report ORDER BY id DESC LIMIT 50",
                span=24,
                text="Whatever the time range; why one fires stands in the report.",
            )
        )
        .with_panel(
            sql(
                "Share of positive predictions by day",
                f'SELECT {DAY} AS time, avg(prediction) AS "positive"'
                " FROM streamflow.prediction_overview WHERE $__timeFilter(at)"
                " GROUP BY 1 ORDER BY 1",
                unit="percentunit",
            ).time_from(recent)
        )
        .with_panel(
            sql(
                "Mean probability by day",
                f'SELECT {DAY} AS time, avg(probability) AS "mean probability"'
                " FROM streamflow.prediction_overview WHERE $__timeFilter(at)"
                " GROUP BY 1 ORDER BY 1",
                unit="percentunit",
            ).time_from(recent)
        )
        .with_panel(
            sql(
                "Missing features per prediction by day",
                f'SELECT {DAY} AS time, avg(missing_features) AS "missing features"'
                " FROM streamflow.prediction_overview WHERE $__timeFilter(at)"
                " GROUP BY 1 ORDER BY 1",
                text="Features without a value, where the catalog allows it.",
            ).time_from(recent)
        )
        .with_panel(
            promql(
                "Refused for a missing feature",
                (
                    "increase(api_errors_total{code='features_missing'}[$__rate_interval])",
                    "features_missing",
                ),
                text="A feature without a value, where the catalog promises one:"
                " no prediction is made.",
            ).time_from(recent)
        )
    )


def build() -> dict[str, str]:
    """File name -> JSON of each dashboard; its panels are numbered in order."""
    found = {}
    for name, made in (("api", api()), ("model", model()), ("drift", drift())):
        dashboard = made.build()
        for number, panel in enumerate(dashboard.panels or [], start=1):
            panel.id_val = number  # type: ignore[union-attr]
        found[f"{name}.json"] = (
            json.dumps(dashboard, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
        )
    return found


if __name__ == "__main__":
    for file, text in build().items():
        (FOLDER / file).write_text(text, encoding="utf-8")
