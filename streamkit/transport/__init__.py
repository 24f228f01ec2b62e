"""The only place that waits for a network."""
