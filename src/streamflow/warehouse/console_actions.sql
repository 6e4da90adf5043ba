-- The statements of console_actions.py.

-- insert_action --
-- Append that work from a page was started, or how it ended.
INSERT INTO streamflow.console_action (job, who, action, subject, state, outcome)
VALUES (%(job)s, %(who)s, %(action)s, %(subject)s, %(state)s, %(outcome)s)

-- select_newest_actions --
-- The work that was started last, each with how it ended.
SELECT s.id AS number, s.job, s.who, s.action, s.subject, s.at AS started_at,
       e.at AS ended_at, coalesce(e.state, 'started') AS state, coalesce(e.outcome, '') AS outcome
FROM streamflow.console_action s
LEFT JOIN LATERAL (SELECT at, state, outcome FROM streamflow.console_action
                   WHERE job = s.job AND id > s.id ORDER BY id LIMIT 1) e ON true
WHERE s.state = 'started'
  AND (%(below)s::bigint IS NULL OR s.id < %(below)s)
  AND (%(job)s::text IS NULL OR s.job = %(job)s)
ORDER BY s.id DESC
LIMIT %(limit)s
