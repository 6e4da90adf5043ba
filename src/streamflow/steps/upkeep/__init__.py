"""Keep an installation healthy.

The steps back up, restore, prune and diagnose an installation.
"""
