"""Rules about drift.

Compare distributions, labels and performance, and served with trained values.
"""
