"""Texts: events of different lengths, as flat codes and offsets."""
