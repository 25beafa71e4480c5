"""A trained run on new proteins: inputs, embeddings, rows, tables."""
