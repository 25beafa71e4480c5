"""Segments, tokens, integrity: the store on disk.

What holds when many processes work on one store at once, on one machine or several:

- Embeddings: any number of writers and readers, on any file system whose rename is atomic (local
  disks, NFS, Lustre, GPFS). No lock is needed or taken. Two writers may store the same protein; the
  first one counts, and `compaction.compact` drops the other.
- Tokens and sequences lie in LMDB files: any number of processes on *one* machine, writers one
  after the other, a bounded batch at a time. LMDB must not be written over NFS or from two machines
  at once; where a file cannot be locked or written it is read without locks, which is safe while
  nobody writes.
- Compaction: one at a time for each encoder (a lock file says so on one machine; over NFS see to it
  yourself). Repair: while nobody writes.
- Whatever a writer was killed in the middle of does not exist for readers; `compaction.gc` removes
  it.
"""

from .embeddings import Embeddings
from .segment_writer import SegmentWriter
from .store import Store
from .tokens import Tokens

__all__ = ["Embeddings", "SegmentWriter", "Store", "Tokens"]
