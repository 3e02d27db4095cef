"""Metrics of tables: their columns, pairs of columns, and what their rows are good for."""
