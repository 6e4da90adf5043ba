"""The steps of streamflow: each module does one step and returns its receipt."""
