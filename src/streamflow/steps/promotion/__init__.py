"""Which version serves.

Judge a challenger on unseen users, promote it, roll back, retrain.
"""
