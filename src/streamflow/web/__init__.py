"""What the HTTP services share: hosts, headers, API keys, limits of a request, and the log."""
