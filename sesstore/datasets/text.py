"""Text files as people bring them: packed or not, in the encodings Excel and editors write.

A file is read as it comes, never all at once. UTF-8 and UTF-16 (with or without a byte order mark)
and UTF-32 are told by their first bytes. What is not UTF-8 is read as Windows-1252, the encoding of
Western editions of Windows, and that is said: in UTF-8 a letter beyond ASCII is several bytes that
no text in Windows-1252 happens to hold in that order.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO

from ..errors import InputError, MissingFileError

LONGEST_LINE = 1 << 27
"""Bytes. No protein, and no row of a table, is that long; a packed file of zeros is."""

_HEAD = 1 << 16
_FALLBACK = "sesstore-windows-1252"
_GZIP = b"\x1f\x8b"
_OTHER_KINDS = {
    b"PK\x03\x04": "a zip archive (or an Excel file, whose name ends in .xlsx). Unpack it first",
    b"\xd0\xcf\x11\xe0": "an old Excel file. Save it as .xlsx or CSV",
    b"BZh": "packed by bzip2. Unpack it first",
    b"\xfd7zXZ": "packed by xz. Unpack it first",
    b"\x28\xb5\x2f\xfd": "packed by zstd. Unpack it first",
    b"PAR1": "a Parquet file. Write it as CSV or JSON lines",
    b"\x89HDF": "an HDF5 file. Embeddings come in by `sesstore import`",
    b"%PDF": "a PDF. Copy the table into a CSV file",
    b"{\\rtf": "rich text of a word processor. Save it as plain text",
}
_WEB_PAGE = (b"<!doctype html", b"<html")

Readable = Path | zipfile.Path
"""A file, or a member of a zip archive, which is read in place."""

Warn = Callable[[str], None]
"""Takes a sentence on something odd that was read all the same."""


def ignored(_: str) -> None:
    """Take no notice of a warning."""


@contextmanager
def open_text(
    path: Readable, warn: Warn = ignored, *, name: str | None = None, byte_limit: int | None = None
) -> Iterator[TextIO]:
    """Open a text file, unpacked where it is gzip, whatever its name.

    Parameters
    ----------
    path : path, or zipfile.Path
        The file.
    warn : callable, optional
        Told when the block ends, if the file is not in UTF-8 or UTF-16.
    name : str, optional
        What errors call it; its path by default.
    byte_limit : int, optional
        Bytes, unpacked, from which it is refused: for readers that keep what they read.

    Yields
    ------
    text stream
        Line ends are kept as they are (``newline=""``).

    Raises
    ------
    MissingFileError
        There is no such file.
    InputError
        It may not be read, is no text, breaks off, or has a line beyond `LONGEST_LINE`.
    """
    label = f"'{name or path}'"
    try:
        with _open_binary(path, label) as raw:
            packed = raw.read(2) == _GZIP
            raw.seek(0)
            stream = gzip.GzipFile(fileobj=raw) if packed else raw
            source = _Source(stream, label, byte_limit)
            encoding = _encoding(source.head, label)
            source.utf8 = encoding.startswith("utf-8")
            buffered = io.BufferedReader(source, _HEAD)
            with io.TextIOWrapper(buffered, encoding, _FALLBACK, newline="") as text:
                yield text
    except UnicodeDecodeError as problem:
        raise InputError(
            f"{label} is no {problem.encoding} text: {problem.reason}. Save it as UTF-8"
        ) from None
    except zipfile.BadZipFile as problem:
        raise InputError(f"{label} is broken: {problem}. Get the archive again") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
        raise InputError(f"{label} is a broken gzip file: {problem}. Get it again") from None
    if source.foreign is not None:
        warn(
            f"{label} is not UTF-8 (from line {source.foreign:,} on): read as Windows-1252. Where "
            f"names look wrong, save it as UTF-8"
        )


def _open_binary(path: Readable, label: str) -> IO[bytes]:
    try:
        if not path.is_file():
            raise MissingFileError(f"there is no file {label}")
        return path.open("rb")
    except (NotImplementedError, RuntimeError) as problem:  # of zip archives
        raise InputError(f"{label} cannot be read: {problem}. Unpack it first") from None
    except PermissionError:
        raise InputError(
            f"{label} may not be read. Ask its owner, or change its permissions"
        ) from None


class _Source(io.RawIOBase):
    """Bytes of a file, watched on their way.

    Parameters
    ----------
    stream : binary stream
        What is read, unpacked.
    shown : str
        What errors call it.
    most : int or None
        Bytes from which it is refused.
    """

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, shown: str, most: int | None) -> None:
        self._stream, self._shown, self._most = stream, shown, most
        self._total = self._line = self._ends = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.utf8 = True
        self.foreign: int | None = None
        """Line of the first bytes that are not UTF-8."""
        self.head = stream.read(_HEAD)
        self._rest = self.head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        part = self._rest[: len(buffer)] or self._stream.read(len(buffer))
        self._rest = self._rest[len(part) :]
        self._watch(part)
        buffer[: len(part)] = part
        return len(part)

    def _watch(self, part: bytes) -> None:
        self._total += len(part)
        if self._most is not None and self._total > self._most:
            raise InputError(
                f"{self._shown} holds more than {self._most / 1e9:.1f} GB of text, and labelled "
                f"data are kept in memory. Split it, or run where there is more"
            )
        end = max(part.rfind(b"\n"), part.rfind(b"\r"))
        self._line = len(part) - end - 1 if end >= 0 else self._line + len(part)
        if self._line > LONGEST_LINE:
            raise InputError(
                f"{self._shown} has a line of more than {LONGEST_LINE >> 20} MB. Is it text? "
                f"Get it again"
            )
        if self.utf8 and self.foreign is None:
            self._check_utf8(part)
        self._ends += part.count(b"\n")

    def _check_utf8(self, part: bytes) -> None:
        if part.isascii() and not self._decoder.getstate()[0] and part:
            return
        try:
            self._decoder.decode(part, final=not part)
        except UnicodeDecodeError as problem:
            self.foreign = self._ends + 1 + part[: problem.start].count(b"\n")


def _encoding(head: bytes, label: str) -> str:
    """Tell the encoding of a file by how it begins; raises `InputError` if it is no text."""
    for magic, kind in _OTHER_KINDS.items():
        if head.startswith(magic):
            raise InputError(f"{label} is {kind}")
    if head.lstrip()[:14].lower().startswith(_WEB_PAGE):
        raise InputError(f"{label} is a web page, not the file it links to. Get it again")
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" not in head:
        return "utf-8-sig"
    # Without a mark, UTF-16 of mostly ASCII letters is known by every other byte being zero.
    even, odd = head[::2].count(0), head[1::2].count(0)
    if odd > 0.6 * len(head[1::2]) and even < 0.05 * len(head[::2]):
        return "utf-16-le"
    if even > 0.6 * len(head[::2]) and odd < 0.05 * len(head[1::2]):
        return "utf-16-be"
    place = head.index(0)
    if place > 0 and even + odd < 0.01 * len(head):
        return "utf-8-sig"  # a stray zero in a text: whatever reads the line will name it
    raise InputError(f"{label} is no text (a zero byte at {place + 1:,}). Save it as UTF-8 text")


def _as_windows_1252(problem: UnicodeError) -> tuple[str, int]:
    """Decode bytes that are no UTF-8; five of them Windows-1252 leaves undefined."""
    if not isinstance(problem, UnicodeDecodeError) or not problem.encoding.startswith("utf-8"):
        raise problem
    wrong = problem.object[problem.start : problem.end]
    try:
        return wrong.decode("cp1252"), problem.end
    except UnicodeDecodeError:
        return wrong.decode("latin-1"), problem.end


codecs.register_error(_FALLBACK, _as_windows_1252)
