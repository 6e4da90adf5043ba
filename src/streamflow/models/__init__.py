"""Models: training, storage, registration in MLflow, and prediction.

Importing this package imports no vendor.
"""
