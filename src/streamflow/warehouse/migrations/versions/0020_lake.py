"""The lake: the catalog of its Iceberg tables, and which revisions have their rows there."""

from alembic import op

revision = "0020"
down_revision = "0019"

STATEMENTS = """
-- the tables of PyIceberg's SQL catalog, as PyIceberg 0.12 would create them
CREATE SCHEMA IF NOT EXISTS lake;  -- `restore` has made all schemas
CREATE TABLE lake.iceberg_tables (
    catalog_name varchar(255) NOT NULL,
    table_namespace varchar(255) NOT NULL,
    table_name varchar(255) NOT NULL,
    metadata_location varchar(1000),
    previous_metadata_location varchar(1000),
    iceberg_type varchar(5),
    PRIMARY KEY (catalog_name, table_namespace, table_name)
);
CREATE TABLE lake.iceberg_namespace_properties (
    catalog_name varchar(255) NOT NULL,
    namespace varchar(255) NOT NULL,
    property_key varchar(255) NOT NULL,
    property_value varchar(1000) NOT NULL,
    PRIMARY KEY (catalog_name, namespace, property_key)
);
GRANT USAGE ON SCHEMA lake TO streamflow_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA lake TO streamflow_writer;
GRANT USAGE ON SCHEMA lake TO streamflow_console;
GRANT SELECT ON ALL TABLES IN SCHEMA lake TO streamflow_console;
-- a revision whose rows lie in the lake; frozen.T holds a copy of them only while it is needed
CREATE TABLE streamflow.lake_revision (
    table_name text NOT NULL,
    as_of timestamptz NOT NULL,
    revision integer NOT NULL,
    snapshot_id bigint NOT NULL,  -- of the Iceberg table lake.<table_name>
    label text,  -- the column whose true values are counted, if the table has the label
    positives bigint,
    PRIMARY KEY (table_name, as_of, revision),
    FOREIGN KEY (table_name, as_of, revision) REFERENCES streamflow.revision
);
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON streamflow.lake_revision
    FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change();
GRANT SELECT, INSERT ON streamflow.lake_revision TO streamflow_writer;
GRANT SELECT, UPDATE, DELETE ON streamflow.lake_revision TO streamflow_maintenance;
GRANT SELECT ON streamflow.lake_revision TO streamflow_console;
-- `migrate` creates it again: it counts the labels of rows that lie in the lake, too
DROP VIEW IF EXISTS streamflow.drop_overview;
"""


def upgrade() -> None:
    """Create and grant them."""
    op.execute(STATEMENTS)
