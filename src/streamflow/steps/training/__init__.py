"""From frozen rows to a model version.

Make the training set, check it, prove where its cells come from, fit a model, register it.
"""
