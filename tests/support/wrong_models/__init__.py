"""Models, metrics and data that break one promise each, and right ones that break none."""
