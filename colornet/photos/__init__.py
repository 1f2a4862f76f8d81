"""Photo files to pixels and back."""
