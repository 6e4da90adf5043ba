"""Answers about users.

Predict, explain and score, and manage the API keys.
"""
