"""The console: pages for people. It calls steps, shows their receipts, and holds no rule."""
