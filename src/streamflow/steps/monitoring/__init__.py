"""The steps that watch a version after training.

They report the drift and the performance of a drop, and the differences between served and trained
values.
"""
