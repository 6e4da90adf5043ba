"""Rules about promotion.

The gate, the ledger's hash chain, and which version holds a stage.
"""
