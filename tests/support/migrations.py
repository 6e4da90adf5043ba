"""An installation as an older streamflow left it."""

TO_0003 = """
DROP VIEW streamflow.prediction_overview, streamflow.drop_overview, streamflow.drift_overview, streamflow.promotion;
DROP TABLE streamflow.passport_source, streamflow.pruned, streamflow.monitor_report, streamflow.retraining;
DROP TABLE streamflow.ledger, streamflow.pending_move, streamflow.score, streamflow.score_run;
DROP SEQUENCE streamflow.score_run_id;
CREATE TABLE streamflow.promotion (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), who text NOT NULL,
    model text NOT NULL, version integer NOT NULL, stage text NOT NULL, replaced integer, forced boolean NOT NULL, why text NOT NULL
);
INSERT INTO streamflow.promotion (who, model, version, stage, replaced, forced, why) VALUES
    ('me', 'streamflow_churn', 1, 'Production', NULL, false, 'the first'), ('me', 'streamflow_churn', 2, 'Production', 1, true, '');
REVOKE ALL ON ALL TABLES IN SCHEMA streamflow FROM streamflow_reader;
REVOKE USAGE ON SCHEMA streamflow FROM streamflow_reader;
UPDATE streamflow.alembic_version SET version_num = '0003'
"""
