"""The SQL of the category of a user in a segment column."""

from __future__ import annotations

from psycopg import sql

from streamflow.column import TenureUnit
from streamflow.core.serving.segments import TENURE_BANDS, TENURE_MONTHS, SegmentColumn

MONTHS_PER_YEAR = 12
DAYS_PER_MONTH = 30.4375  # of the Julian year, 365.25 / 12

# How many months somebody has been a user on the day of the drop: below zero, if that begins on a
# later day. All sessions are in UTC.
TENURE: dict[TenureUnit, sql.SQL] = {
    # date_part computes with floats. extract computes with decimals, which takes longer.
    "since": sql.SQL(
        "(SELECT date_part('year', span) * 12 + date_part('month', span)"
        "        + date_part('day', span) / 31"
        " FROM age(%(as_of)s::timestamptz, {column}::timestamptz) AS span)"
    ),
    "days": sql.SQL(f"{{column}} / {DAYS_PER_MONTH}"),
    "months": sql.SQL("{column}"),
    "years": sql.SQL(f"{{column}} * {MONTHS_PER_YEAR}"),
}
# Below zero months there is no band: the number of the bucket is 0, and an array begins with 1.
BAND = sql.SQL(
    "({bands}::text[])[width_bucket(({months})::double precision, {first_months}::float8[])]"
)


def name_segment(column_name: str) -> str:
    """Return the name that a segment column has in our statements.

    It has a blank, which no name of a catalog has: a column may be called `users` or `flagged`,
    as columns of ours are.

    >>> name_segment("users")
    'segment users'
    """
    return f"segment {column_name}"


def compose_category(column: SegmentColumn) -> sql.Composable:
    """Compose the category of the row `f` of a frozen table, as text; null: it has none.

    The day of the drop is the parameter `as_of`.
    """
    identifier = sql.Identifier("f", column.name)
    if column.tenure is None:
        return sql.SQL("{}::text").format(identifier)
    return BAND.format(
        bands=sql.Literal(list(TENURE_BANDS)),
        months=TENURE[column.tenure].format(column=identifier),
        first_months=sql.Literal([float(month) for month in TENURE_MONTHS]),
    )
