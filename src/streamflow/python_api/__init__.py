"""The Python API for notebooks and scripts: an installation, with the steps as its methods.

`streamflow/__init__.py` lists what is public. Everything else is private.
"""
