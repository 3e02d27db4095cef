"""Interpolated modified Kneser-Ney smoothing of the counts of short pieces of texts."""
