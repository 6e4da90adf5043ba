"""The lake: frozen rows as Apache Iceberg tables in a folder or an object store.

Nothing outside of this package imports PyIceberg.
"""
