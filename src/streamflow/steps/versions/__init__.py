"""What was recorded about a version, and what can be made from that record.

Reproduce, verify, compare, export and import versions.
"""
