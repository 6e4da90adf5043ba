"""Decide which model version serves.

The steps judge a challenger on users that it has not seen, promote it, roll back and retrain.
"""
