"""Install, remove, examine and freeze plugins without changing the core."""
