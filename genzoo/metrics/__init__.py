"""Metrics of generative models; each score carries the protocol of its measurement."""
