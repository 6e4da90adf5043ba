"""Predict the churn of subscription users from monthly CSV drops, and keep every step auditable."""

__version__ = "0.1.0"
