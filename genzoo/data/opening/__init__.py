"""How data that are named become a dataset: the reader, the settings that belong to them, and data in memory."""
