"""Steps on recorded versions: reproduce, verify, compare, export and import them.

Each of them starts from the passport of a version.
"""
