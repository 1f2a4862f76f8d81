"""Folders of photos to batches that networks learn from."""
