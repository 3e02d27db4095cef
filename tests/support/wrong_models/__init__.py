"""Models, metrics and datasets that break one promise each, and correct ones that break none."""
