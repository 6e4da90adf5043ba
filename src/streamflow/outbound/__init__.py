"""What is sent to addresses that the settings name: lineage events and webhooks."""
