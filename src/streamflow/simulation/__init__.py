"""Simulated subscribers and their monthly drops.

All values are invented: they show that the software works, and say nothing about real users.
"""
