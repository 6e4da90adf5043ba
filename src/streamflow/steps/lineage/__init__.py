"""Report the runs of steps as OpenLineage events, and deliver webhooks after them.

This is the highest room: it knows the receipts of all steps, and no step knows of it.
"""
