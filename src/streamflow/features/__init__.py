"""Feast: the feature repository, our two stores behind it, and the live features. Importing this imports no vendor."""
