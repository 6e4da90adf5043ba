"""The code that every version takes with it in its MLflow model, for stock MLflow clients.

A module here imports nothing of streamflow, because a client does not have it. Our own services use
the same modules from here, and never those of a version.
"""
