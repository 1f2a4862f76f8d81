"""A photo in, its colours out."""
