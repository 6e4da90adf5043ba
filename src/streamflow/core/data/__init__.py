"""Rules about drops and tables.

The contract of a drop, rejected rows, digests of tables, changed cells, catalogs as values,
instants, and JSON of which texts are hashed or stored.
"""
