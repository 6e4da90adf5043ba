-- The statement of adbc.py.

-- check_connection --
-- Fails if the server has closed the connection.
SELECT 1
