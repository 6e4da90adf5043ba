"""The steps from the CSV files of a drop to frozen rows and live features.

They guess a catalog, simulate drops, migrate the database, ingest and freeze a drop, materialize
features, process the inbox, and forget a user.
"""
