"""What turns events into vectors whose distances mean something, for metrics that compare samples with real events."""
