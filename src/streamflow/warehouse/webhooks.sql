-- The statements of webhooks.py.

-- insert_event --
-- An event that is to be delivered. One that was entered before is not entered again.
INSERT INTO streamflow.webhook_event (id, type, body)
VALUES (%(id)s, %(type)s, %(body)s)
ON CONFLICT (id) DO NOTHING

-- select_clock --
-- The clock that all processes share.
SELECT clock_timestamp()

-- insert_attempt --
-- What came of an attempt to deliver an event.
INSERT INTO streamflow.webhook_attempt (event_id, number, receiver, status, problem)
VALUES (%(event_id)s, %(number)s, %(receiver)s, %(status)s, %(problem)s)

-- select_deliveries --
-- Each event with its last attempt, the oldest event first; or only those without an answer of 200
-- to 299, or 410.
SELECT event.id, event.at, event.type, event.body,
       coalesce(attempt.number, 0) AS attempts, attempt.at AS attempted_at, attempt.status,
       coalesce(attempt.problem, '') AS problem
FROM streamflow.webhook_event AS event
LEFT JOIN LATERAL (
    SELECT number, at, status, problem
    FROM streamflow.webhook_attempt
    WHERE event_id = event.id
    ORDER BY number DESC
    LIMIT 1
) AS attempt ON true
WHERE NOT %(waiting)s OR attempt.status IS NULL
      OR (attempt.status NOT BETWEEN 200 AND 299 AND attempt.status <> 410)
ORDER BY event.at, event.id
