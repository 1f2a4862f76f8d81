"""Folders of millions of photos, coloured by processes that share nothing."""
