"""Rules about drops and tables.

The contract of a drop, digests of tables, changed cells, and instants.
"""
