"""Tables in memory: pandas, polars, pyarrow, and everything else that exports Arrow columns."""
