"""Segments, tokens, integrity: the store on disk."""

from .embeddings import Embeddings
from .segments import SegmentWriter
from .store import Store
from .tokens import Tokens

__all__ = ["Embeddings", "SegmentWriter", "Store", "Tokens"]
