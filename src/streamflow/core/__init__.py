"""Pure functions over frames and frozen values: no input or output, no clock, no environment."""
