"""Start processes, ours and those of the vendors, wait for them, and never leave one behind."""
