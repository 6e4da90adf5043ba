"""The HTTP API: each endpoint parses a request, calls one step, and returns its receipt."""
