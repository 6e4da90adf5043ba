-- Run once, when the volume is new. Our own database and MLflow's are brought up to date by `streamflow migrate`.
CREATE DATABASE prefect;

-- Grafana logs in as a user that may read what the dashboards show: no key, no feature
\set password `cat /secrets/grafana_reader_password`
CREATE ROLE streamflow_reader NOLOGIN;
CREATE ROLE grafana LOGIN PASSWORD :'password' IN ROLE streamflow_reader;
