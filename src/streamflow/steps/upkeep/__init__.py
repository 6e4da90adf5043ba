"""Keep an installation healthy.

Back up, restore, prune and diagnose.
"""
