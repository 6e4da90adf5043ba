"""The steps on the stages of the model registry.

They change the version in a stage, notice changes made in MLflow, and read the ledger.
"""
