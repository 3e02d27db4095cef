"""Files that appear whole or not at all, and that are read without trusting whoever wrote them."""
