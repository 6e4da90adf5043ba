"""A catalog with events, and drops for it."""

from streamflow.catalog import Catalog, parse_catalog

CATALOG_TEXT = """
model = "shop_churn"
ttl_days = 62

[entity]
name = "user"
key = "user_id"
table = "users"

[label]
table = "labels"
column = "churned"

[views.users_fv]
table = "users"

[views.payments_fv]
table = "payments"

[tables.users.columns]
fee = { type = "float", min = 0, view = "users_fv" }

[tables.labels.columns]
churned = { type = "bool" }

[events.payments]
time = "paid_at"

[events.payments.columns]
paid_at = { type = "timestamp" }
status = { type = "string", categories = ["ok", "failed"] }
amount = { type = "float", nullable = true }
points = { type = "int", nullable = true }

[events.payments.aggregates]
payments = { count = "true" }
failed_90d = { count = "status = 'failed'", days = 90, view = "payments_fv" }
paid_30d = { sum = "amount", days = 30, view = "payments_fv" }
points_sum = { type = "int", sum = "points" }
mean_amount = { mean = "amount", nullable = true, view = "payments_fv" }
last_status = { type = "string", last = "status", nullable = true, categorical = true, view = "payments_fv" }
last_amount_7d = { type = "float", last = "amount", days = 7, nullable = true }
last_paid = { type = "timestamp", last = "paid_at", nullable = true }
days_since_failed = { days_since = "status = 'failed'", nullable = true, view = "payments_fv" }
"""  # noqa: E501


def events_catalog(old: str = "", new: str = "") -> Catalog:
    """Return the catalog, with `new` in the place of `old`."""
    assert old in CATALOG_TEXT
    return parse_catalog(CATALOG_TEXT.replace(old, new, 1), origin="catalog.toml")
