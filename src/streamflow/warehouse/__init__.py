"""Our tables in PostgreSQL: raw and frozen rows, the drop ledger, promotions, the prediction log."""
