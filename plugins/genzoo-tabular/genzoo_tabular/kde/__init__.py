"""Kernel density estimates: a kernel around each training row."""
