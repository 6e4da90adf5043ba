"""The verbs of streamflow: one step, one file, one receipt."""
