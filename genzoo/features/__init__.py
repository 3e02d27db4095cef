"""Feature extractors, which turn rows and images into vectors with meaningful distances."""
