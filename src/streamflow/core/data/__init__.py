"""Rules about drops and tables.

The contract of a drop, rejected rows, digests of tables, changed cells, catalogs as values, and
instants.
"""
