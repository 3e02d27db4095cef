"""Feature extractors: they turn rows and images into vectors whose distances mean something."""
