"""The command line: parse, call one step, show its receipt. Steps and vendors are imported by the command that runs."""
