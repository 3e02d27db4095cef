"""Install, remove, examine and freeze plugins without changing genzoo itself."""
