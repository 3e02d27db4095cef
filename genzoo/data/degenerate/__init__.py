"""Find what keeps the columns of a table from having a density: linear relations, functions of categories, atoms."""
