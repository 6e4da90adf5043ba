"""Steps that make a model version from frozen rows.

They assemble the training set, check it, prove where its cells come from, train a model on it, and
register the version.
"""
