"""Metrics of events of several parts."""
