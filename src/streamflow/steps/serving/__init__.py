"""The steps that answer for users.

They predict, explain and score, and manage the API keys.
"""
