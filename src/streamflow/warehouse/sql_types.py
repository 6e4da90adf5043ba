"""The catalog's types in PostgreSQL."""

SQL_TYPES = {
    "int": "bigint",
    "float": "double precision",
    "bool": "boolean",
    "string": "text",
    "date": "date",
    "timestamp": "timestamp with time zone",
}
