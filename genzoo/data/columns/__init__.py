"""What columns of tables may hold besides numbers and categories, and the limits of their samples."""
