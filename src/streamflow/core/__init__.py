"""Pure functions over frames and frozen values: no I/O, no clock, no environment."""
