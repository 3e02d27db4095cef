"""Plugins are installed, removed, examined and frozen, and the core stays as it is."""
