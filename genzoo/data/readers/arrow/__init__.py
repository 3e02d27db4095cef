"""Readers of Parquet, Arrow and Feather files."""
