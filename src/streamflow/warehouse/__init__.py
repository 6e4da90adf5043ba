"""Our tables in PostgreSQL: raw and frozen rows, the ledger of stages, the prediction log."""
