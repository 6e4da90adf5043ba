"""What happens after training.

Report drift and performance of a drop, and differences between served and trained values.
"""
