-- The statements of sessions.py.

-- select_other_sessions --
-- The sessions of other programs that logged in as this user, in some databases. Every user may
-- see these columns. The session that asks does not count, nor the helpers of a parallel query.
SELECT datname, coalesce(nullif(application_name, ''), 'a program without a name'), count(*)
FROM pg_stat_activity
WHERE datname = ANY(%s) AND usename = session_user AND backend_type = 'client backend'
  AND pid <> pg_backend_pid()
GROUP BY 1, 2
ORDER BY 1, 2
