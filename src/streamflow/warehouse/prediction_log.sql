-- The statement of prediction_log.py.

-- copy_predictions --
-- Append answers to the prediction log.
COPY streamflow.prediction_log
    (request_id, key, as_of, model, version, run_id, probability, prediction, threshold, features,
     service, views, code, defaulted)
FROM STDIN
