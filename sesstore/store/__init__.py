"""Segments, tokens, integrity: the store on disk."""
