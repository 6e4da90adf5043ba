-- Prefect's own database; ours and MLflow's are made by `streamflow migrate`
CREATE DATABASE prefect;
