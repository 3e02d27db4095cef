"""Sounds: files of them, folders, and facts about them."""
