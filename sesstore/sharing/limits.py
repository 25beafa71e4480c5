"""What a download may take at most.

The sizes in an index are claims of whoever shares it. Those below are checked when it is parsed,
before anything is fetched by them, and nothing is read beyond the size a file was said to have: so
memory stays under about ten times `INDEX_BYTES`, plus what is in flight, and disk under what the
index says and the file system has free. Whoever publishes keeps to the same limits.
"""

from __future__ import annotations

INDEX_BYTES = 256 << 20
"""Index and commit records together: about 150,000 segments."""

COMMIT_BYTES = 16 << 20

BYTES_A_VALUE = 16
"""Least bytes of a JSON document for each value in it, on average: what it costs in memory."""

METADATA_BYTES = 16 << 20
"""A JSON document of a segment."""

ARRAY_BYTES = 256 << 20
"""Digests or offsets of a segment, which are held in memory: 8 million proteins."""

TASK_BYTES = 1 << 30
BUNDLE_BYTES = 4 << 30
BUNDLE_RECORDS = 1 << 16
FOOTER_BYTES = 32 << 20
RECORD_BYTES = 1 << 30

PROTEIN_BYTES = 4 << 30
"""Embedding of one protein that is fetched by itself."""

IN_FLIGHT_BYTES = 64 << 20
"""Ranges that are fetched at once, unless one is larger."""


def too_many_values(raw: bytes) -> bool:
    """Whether a JSON document would take far more memory than its size says."""
    values = sum(raw.count(mark) for mark in (b",", b"[", b"{"))
    return values * BYTES_A_VALUE > max(len(raw), 1 << 16)
