"""Guess a catalog from a folder of CSV files.

Profile the columns, choose key and label, and write the catalog as text.
"""
