"""The web page, and its API for programs."""
