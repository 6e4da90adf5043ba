"""From files to frozen rows.

Guess a catalog, simulate, migrate, ingest, freeze, materialize, watch the inbox, forget a user.
"""
