-- The statements of ledger.py that are not composed of identifiers.

-- select_entries --
-- The entries of the ledger in their order. Evidence is long, so it is read only on request.
SELECT seq, at, who, model, action, stage, from_version, to_version, since, forced, why,
       evidence_digest,
       CASE WHEN %(whole)s THEN evidence ELSE '' END AS evidence,
       previous, hash
FROM streamflow.ledger
WHERE %(model)s::text IS NULL OR model = %(model)s
ORDER BY seq

-- select_newest_entries --
-- The newest entries of a model below a number, with their evidence.
SELECT seq, at, who, model, action, stage, from_version, to_version, since, forced, why,
       evidence_digest, evidence, previous, hash
FROM streamflow.ledger
WHERE model = %(model)s
  AND (%(below)s::bigint IS NULL OR seq < %(below)s)
ORDER BY seq DESC
LIMIT %(limit)s

-- select_newest_moves --
-- The newest entries that changed who is in a stage, without their evidence.
SELECT seq, at, who, model, action, stage, from_version, to_version, since, forced, why,
       evidence_digest, '' AS evidence, previous, hash
FROM streamflow.ledger
WHERE model = %(model)s AND stage = %(stage)s AND action = ANY(%(moves)s)
ORDER BY seq DESC
LIMIT %(limit)s

-- select_move_at --
-- The entry by which a version held a stage at an instant, with its evidence.
SELECT seq, at, who, model, action, stage, from_version, to_version, since, forced, why,
       evidence_digest, evidence, previous, hash
FROM streamflow.ledger
WHERE model = %(model)s AND stage = %(stage)s AND action = ANY(%(moves)s)
  AND since <= %(instant)s
ORDER BY seq DESC
LIMIT 1

-- select_next_move --
-- When the version that held a stage after an entry was replaced.
SELECT since
FROM streamflow.ledger
WHERE model = %(model)s AND stage = %(stage)s AND action = ANY(%(moves)s)
  AND seq > %(seq)s
ORDER BY seq
LIMIT 1

-- select_gate_entry --
-- The newest entry of a model that has the evidence of the gate about a version.
SELECT seq, at, who, model, action, stage, from_version, to_version, since, forced, why,
       evidence_digest, evidence, previous, hash
FROM streamflow.ledger
WHERE model = %(model)s AND to_version = %(version)s AND evidence <> ''
ORDER BY seq DESC
LIMIT 1

-- select_clock --
-- The database's clock.
SELECT clock_timestamp()

-- insert_pending_move --
-- Record a move before it is made in MLflow, so that it can be completed after a crash.
INSERT INTO streamflow.pending_move (model, who, action, stage, version, forced, why, evidence)
VALUES (%(model)s, %(who)s, %(action)s, %(stage)s, %(version)s, %(forced)s, %(why)s, %(evidence)s)

-- select_pending_move --
-- The move of a model that a process began and did not complete.
SELECT who, model, action, stage, version, why, forced, evidence
FROM streamflow.pending_move
WHERE model = %s

-- delete_pending_move --
-- Forget the pending move of a model: it is complete.
DELETE FROM streamflow.pending_move
WHERE model = %s

-- insert_passport --
-- Record the digest of the passport of a version.
INSERT INTO streamflow.passport (run_id, model, version, digest)
VALUES (%s, %s, %s, %s)

-- insert_passport_source --
-- Record a revision that a passport names. The foreign key then protects it from `prune`.
INSERT INTO streamflow.passport_source (run_id, table_name, as_of, revision, digest)
VALUES (%s, %s, %s, %s, %s)

-- select_changed_source --
-- A revision whose digest is no longer the one that the passport of a run names.
SELECT table_name, as_of, revision
FROM streamflow.passport_source s JOIN streamflow.revision r USING (table_name, as_of, revision)
WHERE s.run_id = %s AND s.digest <> r.digest
LIMIT 1

-- select_passport_digest --
-- The digest of the passport of a version. MLflow can name a run that made a different version.
SELECT digest
FROM streamflow.passport
WHERE run_id = %(run_id)s
  AND model = %(model)s
  AND version = %(version)s
