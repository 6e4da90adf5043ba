"""The record of a model version.

The passport, its comparison with a different passport, and the manifests of exports and backups.
"""
