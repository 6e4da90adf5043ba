-- The statements of monitoring.py that are not composed of identifiers.

-- select_report --
-- The monitor report on one evidence, with its content.
SELECT id, at, as_of, model, version, mlflow_run_id, evidence_digest, fires, verdict, reasons,
       report
FROM streamflow.monitor_report
WHERE evidence_digest = %s

-- select_newest_reports --
-- The newest reports of a model below a number, without their content.
SELECT id, at, as_of, model, version, mlflow_run_id, evidence_digest, fires, verdict, reasons
FROM streamflow.monitor_report
WHERE model = %(model)s AND (%(below)s::bigint IS NULL OR id < %(below)s)
ORDER BY id DESC
LIMIT %(limit)s

-- select_report_by_number --
-- One monitor report of a model, with its content.
SELECT id, at, as_of, model, version, mlflow_run_id, evidence_digest, fires, verdict, reasons,
       report
FROM streamflow.monitor_report
WHERE model = %(model)s AND id = %(id)s

-- count_predictions --
-- The logged predictions of a drop: of one version, the last id of these, of all other versions.
SELECT count(*) FILTER (WHERE version = %(version)s),
       coalesce(max(id) FILTER (WHERE version = %(version)s), 0),
       count(*) FILTER (WHERE version <> %(version)s)
FROM streamflow.prediction_log
WHERE model = %(model)s AND as_of = %(as_of)s

-- select_newest_predictions --
-- The last probability that one version predicted for each key, up to an id of the log.
SELECT DISTINCT ON (key) key, probability
FROM streamflow.prediction_log
WHERE model = %(model)s AND as_of = %(as_of)s AND version = %(version)s AND id <= %(last_id)s
ORDER BY key, id DESC
