"""Rules about answers to users.

API keys, missing or old values, and reasons in words.
"""
