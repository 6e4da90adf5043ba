-- The statements of retraining.py.

-- try_lock --
-- Take the lock if it is free. Returns whether it was taken.
SELECT pg_try_advisory_lock(%s)

-- unlock --
-- Free the lock.
SELECT pg_advisory_unlock(%s)

-- select_latest_state --
-- The newest state of the retraining on one evidence.
SELECT model, evidence_digest, as_of, label_as_of, state, version, why, at
FROM streamflow.retraining
WHERE model = %s AND evidence_digest = %s
ORDER BY id DESC
LIMIT 1

-- table_exists --
-- Whether this database has the table: one that is not migrated yet may not.
SELECT to_regclass('streamflow.retraining') IS NOT NULL

-- select_decided_version --
-- The version that the gate decided about in the newest retraining of a model.
SELECT version
FROM streamflow.retraining
WHERE model = %s AND state IN ('promoted', 'refused')
ORDER BY id DESC
LIMIT 1

-- select_end_of_cooldown --
-- The end of the cool-down after the last retraining of a model, if it is in the future.
SELECT max(at) + %(cooldown)s
FROM streamflow.retraining
WHERE model = %(model)s
HAVING max(at) + %(cooldown)s > clock_timestamp()

-- insert_state --
-- Append a state of a retraining.
INSERT INTO streamflow.retraining
    (model, evidence_digest, as_of, label_as_of, state, version, why)
VALUES (%(model)s, %(evidence_digest)s, %(as_of)s, %(label_as_of)s, %(state)s, %(version)s, %(why)s)
