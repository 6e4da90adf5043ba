-- The statement of prediction_log.py.

-- insert_predictions --
-- Append answers to the prediction log. They come as one array of JSON: a COPY needs two round trips.
INSERT INTO streamflow.prediction_log
    (request_id, key, as_of, model, version, run_id, probability, prediction, threshold, features,
     service, views, code, defaulted)
SELECT request_id, key, as_of, model, version, run_id, probability, prediction, threshold, features,
    service, views, code, defaulted
FROM json_to_recordset(%s::json) AS entry (
    request_id text, key text, as_of timestamptz, model text, version integer, run_id text,
    probability double precision, prediction smallint, threshold double precision, features jsonb,
    service text, views jsonb, code text, defaulted jsonb)
