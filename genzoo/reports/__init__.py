"""Show results to people and programs: terminal tables, JSON, Markdown, CSV and HTML pages."""
