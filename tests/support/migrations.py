"""An installation as an older streamflow left it."""

from __future__ import annotations

from pathlib import Path

import streamflow

SCRIPTS = Path(streamflow.__file__).with_name("warehouse") / "migrations" / "versions"
# The numbers of all scripts, in order: branches that are not merged yet leave gaps.
SCHEMA_NUMBERS = sorted(path.name[:4] for path in SCRIPTS.glob("[0-9]*.py"))

TO_0003 = """
DROP FUNCTION streamflow.refuse_rows_of_complete_revision, streamflow.require_counted_rows,
    streamflow.wait_for_forgetting, streamflow.refuse_forgotten_keys, streamflow.is_forgotten
    CASCADE;
DROP INDEX streamflow.erasure_by_key;
DROP VIEW streamflow.prediction_overview, streamflow.drop_overview,
    streamflow.drift_overview, streamflow.promotion;
DROP TABLE streamflow.lake_revision;
DROP SCHEMA lake CASCADE;
DROP TABLE streamflow.passport_source, streamflow.pruned, streamflow.monitor_report,
    streamflow.retraining, streamflow.api_key;
DROP TABLE streamflow.ledger, streamflow.pending_move, streamflow.prediction_log,
    streamflow.skew_report;
DROP TABLE streamflow.score, streamflow.score_run, streamflow.score_summary,
    streamflow.score_segment, streamflow.score_outcome, streamflow.reproduction,
    streamflow.console_action;
DROP TABLE streamflow.webhook_attempt, streamflow.webhook_event, streamflow.version_signature;
DROP SEQUENCE streamflow.score_run_id;
DROP FUNCTION streamflow.make_prediction_month, streamflow.make_prediction_months,
    streamflow.drop_prediction_month;
CREATE TABLE streamflow.prediction_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(), request_id text NOT NULL,
    key text NOT NULL, as_of timestamptz NOT NULL, model text NOT NULL,
    version integer NOT NULL, run_id text NOT NULL,
    probability double precision NOT NULL, prediction smallint NOT NULL,
    threshold double precision NOT NULL,
    features jsonb NOT NULL
);
CREATE INDEX ON streamflow.prediction_log (at);
GRANT SELECT, INSERT ON streamflow.prediction_log TO streamflow_writer;
GRANT SELECT, DELETE ON streamflow.prediction_log TO streamflow_maintenance;
GRANT SELECT ON streamflow.prediction_log TO pg_monitor WITH GRANT OPTION; -- an administrator's own
INSERT INTO streamflow.prediction_log
    (at, request_id, key, as_of, model, version, run_id,
     probability, prediction, threshold, features)
    SELECT at, md5(at::text), 'somebody', '2024-01-31', 'streamflow_churn', 1, 'r',
        0.1::float8 + 0.2, 0, 0.5, '{"skips_7d": null}'
    FROM generate_series('2024-12-31 23:30+00'::timestamptz, '2025-02-01 00:30+00', '1 hour') at;
CREATE TABLE streamflow.promotion (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(), who text NOT NULL,
    model text NOT NULL, version integer NOT NULL, stage text NOT NULL, replaced integer,
    forced boolean NOT NULL, why text NOT NULL
);
INSERT INTO streamflow.promotion (who, model, version, stage, replaced, forced, why) VALUES
    ('me', 'streamflow_churn', 1, 'Production', NULL, false, 'the first'),
    ('me', 'streamflow_churn', 2, 'Production', 1, true, '');
ALTER TABLE streamflow.drop_file DROP COLUMN reading;
REVOKE ALL ON ALL TABLES IN SCHEMA streamflow FROM streamflow_reader;
REVOKE USAGE ON SCHEMA streamflow FROM streamflow_reader;
UPDATE streamflow.alembic_version SET version_num = '0003'
"""
