"""The command line: each command reads its arguments, calls one step, and shows its receipt.

A command imports its steps and the libraries that they need only when it runs.
"""
