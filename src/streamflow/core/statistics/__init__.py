"""Statistics that know nothing about streamflow.

Metrics of a classifier, confidence intervals, and Shapley values.
"""
