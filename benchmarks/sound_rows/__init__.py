"""Parts of the measures of sound."""
