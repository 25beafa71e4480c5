"""Structures, imported files and encoders into tokens of the store."""
