"""Text as it is said to people: numbers agree with their nouns, hints name the store in use.

The library words its messages for many ("3 proteins have no embedding") and cannot know which
options a command was called with. Both are put right here, on the way to the terminal, and so is
what a terminal without Unicode cannot show.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import shlex
import sys
from collections.abc import Sequence

STORELESS = frozenset({"demo", "plms"})
"""Commands without ``--store``."""

_NOUNS = (  # noqa: SIM905 - words read better as a text
    "adapters alphabets arms atoms batches bundles bytes chains changes classes clusters codes "
    "columns conformers copies digits duplicates embeddings encoders entries epochs errors "
    "examples figures files findings folders fragments frames groups ids labels layers leftovers "
    "letters lines metrics models names objects pages pairs partitions people places positions "
    "predictions processes proteins records residues rows runs samples scores seeds segments "
    "sequences settings shards sources splits states steps stores structures studies tasks terms "
    "things threads tokens trainings units values warnings windows words workers"
).split()
"""What is counted, in messages of the library and of commands."""

_IRREGULAR = {"people": "person"}
_VERBS = {"are": "is", "were": "was", "have": "has", "need": "needs", "lack": "lacks", "do": "does"}
_SINGULAR = re.compile(
    r"(?<![\w.,:/%-])(?<!of )1 "  # not the end of 0.1, 10,1, 12:1, 1/1; not "1 of 1 proteins"
    r"((?!of |in |to |by |and |or |on |at |for )(?:[a-z]+ )?)"
    rf"({'|'.join(_NOUNS)})\b('?)"
    rf"( (?:{'|'.join(_VERBS)})\b)?"
)
_HINT = re.compile(r"`sesstore ([a-z]+)\b[^`]*`")

_PLAIN = {
    "±": "+/-", "²": "2", "Å": "A", "°": " degrees ", "·": "-", "×": "x", "…": "...", "→": "->",  # noqa: RUF001
    "–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "≤": "<=", "≥": ">=",  # noqa: RUF001
}  # fmt: skip


def agreeing(text: str) -> str:
    """Return a message with nouns and verbs that agree with a count of one.

    ``"1 proteins have no embedding"`` becomes ``"1 protein has no embedding"``.
    """
    return _SINGULAR.sub(_singular, text)


def _singular(match: re.Match[str]) -> str:
    prefix, noun, possessive, verb = match.groups()
    verb = f" {_VERBS[verb.strip()]}" if verb else ""
    return f"1 {prefix}{_single(noun)}{possessive and chr(39) + 's'}{verb}"


def _single(noun: str) -> str:
    if noun.endswith("ies"):
        return noun[:-3] + "y"
    if noun.endswith(("sses", "tches")):
        return noun[:-2]
    return _IRREGULAR.get(noun, noun[:-1])


def naming_store(text: str, store: str | None) -> str:
    """Return a message whose commands in backticks work on the store that ``--store`` named.

    Parameters
    ----------
    text : str
        The message.
    store : str or None
        What ``--store`` said; None if it was not given.
    """
    if store is None:
        return text

    def with_store(match: re.Match[str]) -> str:
        if match[1] in STORELESS or "--store" in match[0]:
            return match[0]
        return f"{match[0][:-1]} --store {shlex.quote(store)}`"

    return _HINT.sub(with_store, text)


def named_store(arguments: Sequence[str]) -> str | None:
    """Return what ``--store`` says among the arguments of a command line."""
    for place, word in enumerate(arguments):
        if word == "--store" and place + 1 < len(arguments):
            return arguments[place + 1]
        if word.startswith("--store="):
            return word.partition("=")[2]
    return None


def plain(problem: UnicodeError) -> tuple[str, int]:
    """Replace characters a stream cannot encode: by what looks like them, else by their code."""
    if not isinstance(problem, UnicodeEncodeError):
        raise problem
    text = problem.object[problem.start : problem.end]
    return "".join(map(_replacement, text)), problem.end


def _replacement(character: str) -> str:
    if "\u2500" <= character <= "\u257f":  # box drawing
        return {"─": "-", "━": "-", "╸": "-", "╺": "-", "│": "|", "┃": "|"}.get(character, "+")
    plain = _PLAIN.get(character)
    return plain or character.encode("ascii", "backslashreplace").decode()


codecs.register_error("sesstore.plain", plain)


def as_shown(text: str, encoding: str) -> str:
    """Return text as a stream of that encoding shows it."""
    return text.encode(encoding, "sesstore.plain").decode(encoding)


def prepare_streams() -> None:
    """Open the standard streams a caller closed; let output replace what it cannot encode.

    A service or `<&-` starts a command without standard input or output. The next file opened,
    perhaps one of a store, would then get the stream's number, and whatever a library prints would
    be written into it.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is the stream's. Children shall have it too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="sesstore.plain")
