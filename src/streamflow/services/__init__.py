"""Processes of ours and of the vendors: started, waited for, and never left behind."""
