"""Readers of images: files, folders of them, and idx files."""
