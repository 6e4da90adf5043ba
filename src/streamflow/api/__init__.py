"""The HTTP API: parse, call one step, show its receipt."""
