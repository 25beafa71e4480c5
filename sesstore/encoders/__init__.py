"""Proteins in, Embedding out: frozen protein language models."""
