"""The code and environment levels of a passport: what ran, on what."""
