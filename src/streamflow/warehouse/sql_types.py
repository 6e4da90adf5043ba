"""The SQL type in PostgreSQL of each type of the catalog."""

SQL_TYPES = {
    "int": "bigint",
    "float": "double precision",
    "bool": "boolean",
    "string": "text",
    "date": "date",
    "timestamp": "timestamp with time zone",
}
