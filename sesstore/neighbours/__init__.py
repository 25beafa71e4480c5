"""Nearest proteins by their mean embeddings, and what their labels say of a query."""
