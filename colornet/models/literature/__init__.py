"""Networks of the literature, one paper a file."""
