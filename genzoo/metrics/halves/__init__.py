"""Standard errors from random halves of the events."""
