"""The record of a model version.

The passport, its comparison with another passport, and the manifests of exports and backups.
"""
