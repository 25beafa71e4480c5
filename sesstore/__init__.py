"""sesstore: protein language model embeddings once, structure-aware adapters forever after."""

__version__ = "0.1.0"
