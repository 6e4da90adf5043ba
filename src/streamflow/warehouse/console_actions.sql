-- The statements of console_actions.py.

-- insert_action --
-- Append that work from a page was started, or how it ended.
INSERT INTO streamflow.console_action (job, who, action, subject, state, outcome)
VALUES (%(job)s, %(who)s, %(action)s, %(subject)s, %(state)s, %(outcome)s)

-- lock_work --
-- Hold the lock of a job until it is given back, or until the session ends.
SELECT pg_advisory_lock(%(lock)s, hashtext(%(job)s))

-- unlock_work --
-- Give the lock of a job back.
SELECT pg_advisory_unlock(%(lock)s, hashtext(%(job)s))

-- select_newest_actions --
-- The work that was started last, each with how it ended. Work without an end whose lock nobody
-- holds was interrupted. The numbers of a lock are unsigned in pg_locks.
SELECT s.id AS number, s.job, s.who, s.action, s.subject, s.at AS started_at,
       e.at AS ended_at, coalesce(e.outcome, '') AS outcome,
       coalesce(e.state,
                CASE WHEN EXISTS (
                    SELECT FROM pg_locks
                    WHERE locktype = 'advisory' AND objsubid = 2 AND classid = %(lock)s
                      AND objid = (hashtext(s.job)::bigint & 4294967295)::oid
                      AND database = (SELECT oid FROM pg_database
                                      WHERE datname = current_database()))
                THEN 'started' ELSE 'interrupted' END) AS state
FROM streamflow.console_action s
LEFT JOIN LATERAL (SELECT at, state, outcome FROM streamflow.console_action
                   WHERE job = s.job AND id > s.id ORDER BY id LIMIT 1) e ON true
WHERE s.state = 'started'
  AND (%(below)s::bigint IS NULL OR s.id < %(below)s)
  AND (%(job)s::text IS NULL OR s.job = %(job)s)
ORDER BY s.id DESC
LIMIT %(limit)s
