"""Alphabets a store declares: one small TOML file each, ``alphabets/<name>.toml``.

Tokens are codes; what they mean stands here, so that another machine knows it too. The first line
has the hash of the rest. The states of an alphabet never change under its name, what other tools
write for them may. A declaration comes before the first tokens in it are stored.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..alphabets import BUILT_IN, Alphabet, declare
from ..durable_files import make_folder
from ..errors import CorruptStoreError, InputError, MissingFileError
from . import layout
from .access import system_errors
from .atomic_files import replace_file
from .manifest import entered

_ALPHABET_LIMIT = 40
"""Alphabets of a store: each may get a table in every LMDB file of tokens."""

_HASH = b"# sha256 "
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def read_toml(path: Path) -> Alphabet:
    """Read an alphabet a user declares.

    Parameters
    ----------
    path : path
        TOML with ``name``, ``letters`` (or a number of ``codes``), and optionally ``aliases``,
        ``ends`` and ``of`` (see `Alphabet`).

    Raises
    ------
    MissingFileError
        There is no such file.
    InputError
        It declares no alphabet; says why.
    """
    try:
        return _parsed(path.read_bytes())
    except FileNotFoundError:
        raise MissingFileError(
            f"there is no file '{path}'. Name a TOML file that declares an alphabet"
        ) from None
    except (InputError, OSError) as problem:
        raise InputError(f"'{path}': {problem}. Change the file and declare it again") from None


def stored_files(root: Path) -> list[Path]:
    """Files of the alphabets a store declares."""
    return layout.documents(root / layout.ALPHABETS, ".toml")


def read_stored(path: Path) -> Alphabet:
    """Read one alphabet of a store.

    Raises
    ------
    CorruptStoreError
        It is not what was written.
    """
    with system_errors(path):
        raw = path.read_bytes()
    head, _, body = raw.partition(b"\n")
    try:
        if head != _HASH + sha256(body).hexdigest().encode():
            raise InputError("its hash is another")
        alphabet = _parsed(body)
        if alphabet.name != path.stem:
            raise InputError(f"it declares '{alphabet.name}'")
    except InputError as problem:
        raise CorruptStoreError(
            f"{path} is not what was written ({problem}). Run `sesstore verify`, then `sesstore "
            f"repair`, and declare it again with `sesstore alphabets`"
        ) from None
    return alphabet


def stored_alphabets(root: Path) -> dict[str, Alphabet]:
    """Alphabets a store declares, by name; raises as `read_stored`."""
    return {path.stem: read_stored(path) for path in stored_files(root)}


def declare_stored(root: Path) -> None:
    """Make the alphabets of a store known to this process.

    Raises
    ------
    CorruptStoreError
        One is not what was written.
    InputError
        One is known by that name with other states.
    """
    for alphabet in stored_alphabets(root).values():
        declare(alphabet, f"store {root}")


def store_alphabet(root: Path, alphabet: Alphabet) -> None:
    """Declare an alphabet in a store, and to this process.

    Raises
    ------
    InputError
        The store has one of that name with other states, or as many as it can have.
    """
    stored = stored_alphabets(root)
    if alphabet.name in BUILT_IN:
        raise InputError(
            f"'{alphabet.name}' is an alphabet sesstore knows. Give yours another name"
        )
    if alphabet.name not in stored and len(stored) >= _ALPHABET_LIMIT:
        raise InputError(
            f"{root} declares {len(stored)} alphabets, as many as it can have. Use another store "
            f"for tokens in this one"
        )
    if alphabet.name in stored and not stored[alphabet.name].same_codes(alphabet):
        raise InputError(
            f"{root} has an alphabet '{alphabet.name}' with other states. Give yours another name"
        )
    declare(alphabet, f"store {root}")
    if stored.get(alphabet.name) != alphabet:
        body = to_toml(alphabet)
        make_folder(root / layout.ALPHABETS)
        place = root / layout.ALPHABETS / f"{alphabet.name}.toml"
        with entered(place):
            replace_file(place, _HASH + sha256(body).hexdigest().encode() + b"\n" + body)


def to_toml(alphabet: Alphabet) -> bytes:
    """An alphabet as TOML, without the settings it leaves as they are."""
    settings = {key: value for key, value in alphabet.to_json().items() if value}
    return "".join(f"{line}\n" for line in _lines(settings)).encode()


def _lines(value: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Plain values first, then tables; JSON's text, numbers and lists are TOML's."""
    plain = {k: v for k, v in value.items() if not isinstance(v, Mapping)}
    for key, entry in plain.items():
        yield f"{_key(key)} = {json.dumps(entry)}"
    for key, entry in value.items():
        if isinstance(entry, Mapping):
            yield f"\n[{prefix}{_key(key)}]"
            yield from _lines(entry, f"{prefix}{_key(key)}.")


def _key(text: str) -> str:
    return text if _BARE.fullmatch(text) else json.dumps(text)


def _parsed(raw: bytes) -> Alphabet:
    try:
        return Alphabet.from_json(tomllib.loads(raw.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise InputError(f"it is no TOML: {problem}") from None
