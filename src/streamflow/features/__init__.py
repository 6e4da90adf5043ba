"""Feast: the feature repository, our two stores for Feast, and the live features.

Importing this package imports no vendor.
"""
