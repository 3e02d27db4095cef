"""Where events come from: one reader per kind of file, one `Dataset` for all."""
