-- The statements of prediction_log_months.py that are not composed of identifiers.

-- create_months --
-- Create the missing months. Returns each new month with the rows that were moved into it.
SELECT month, moved
FROM streamflow.make_prediction_months(%s)

-- select_missing_months --
-- This month and the next one, as far as they do not exist.
SELECT to_char(m, 'YYYY_MM')
FROM generate_series(0, 1) n,
     LATERAL (SELECT date_trunc('month', timezone('UTC', clock_timestamp()))
                     + make_interval(months => n)) AS month (m)
WHERE to_regclass('streamflow.prediction_log_' || to_char(m, 'YYYY_MM')) IS NULL
ORDER BY 1

-- count_rows_without_month --
-- The rows in the default partition: their month did not exist when they were written.
SELECT count(*)
FROM streamflow.prediction_log_default

-- select_months_before --
-- The months that ended at least a number of whole months before this one, the oldest first.
SELECT month
FROM (SELECT substr(relname, length('prediction_log_') + 1) AS month
      FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
      WHERE inhparent = 'streamflow.prediction_log'::regclass) m
WHERE month <> 'default'
  AND to_date(month, 'YYYY_MM')
      < date_trunc('month', timezone('UTC', clock_timestamp())) - make_interval(months => %s)
ORDER BY to_date(month, 'YYYY_MM')

-- drop_month --
-- Drop a month with all its rows. The function belongs to the role that may do this.
SELECT streamflow.drop_prediction_month(%s)
