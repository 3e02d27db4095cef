"""Declarations: the spec of an event, and the entries of the zoo."""
