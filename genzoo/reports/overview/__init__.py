"""What a reader sees first: what was found, how sure it is, and pictures of it."""
