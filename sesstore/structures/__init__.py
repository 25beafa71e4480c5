"""Coordinates in, StructureTokens out."""
