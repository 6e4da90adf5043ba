"""Who holds a stage of the model registry.

Change a stage, notice changes made outside, and read the ledger.
"""
