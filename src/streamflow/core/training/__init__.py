"""Rules about training sets and models.

The split, honesty checks, the temporal proof, calibration, and the decision threshold.
"""
