"""Tokens other tools made, into a store.

An entry's protein is the one that is given or known to the store under one of its names; the
entry's residues are aligned to it as a structure's are, and tokens without residues must have its
length. Where no sequence is known, an entry brings its own, or is listed as failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from ...alphabets import ALPHABETS
from ...alphabets import alphabet as find_alphabet
from ...errors import InputError, MissingFileError, UnknownNameError
from ...exchange.code_arrays import SUFFIXES, read_codes
from ...exchange.dsspfile import read_dssp
from ...exchange.foldseekdb import read_foldseek_db, read_foldseek_table
from ...exchange.imported_tokens import ForeignTokens
from ...exchange.tokenfasta import read_saprot, read_token_fasta
from ...failures import list_failure
from ...file_names import unpacked_name
from ...progress import SILENT, Progress
from ...proteins import Protein, normalise
from ...residues import StructureTokens
from ...store import Store
from ...structures.alignment import place
from ...structures.notices import Failure
from ...structures.tokenise import TokenisedChain, TokenisedModel, spread
from .token_report import TokenReport
from .token_run import TokenRun


@dataclass(frozen=True)
class TokenFormat:
    """A foreign format.

    Parameters
    ----------
    summary : str
        What it is.
    read : callable
        Yields the entries of a file, and for those that are wrong why.
    suffixes : tuple of str
        What files of it end in when a folder is named.
    of_any : bool
        Whether it can hold tokens of any alphabet; then `read` is told which, as ``name``.
    """

    summary: str
    read: Callable[..., Iterator[ForeignTokens | Failure]]
    suffixes: tuple[str, ...]
    of_any: bool = False


_FASTA = (".fasta", ".fa", ".faa", ".fas")
FORMATS = {
    "foldseek-db": TokenFormat("database of foldseek createdb", read_foldseek_db, (".dbtype",)),
    "foldseek-tsv": TokenFormat(
        "table of foldseek structureto3didescriptor", read_foldseek_table, (".tsv",)
    ),
    "dssp": TokenFormat("DSSP file, classic or mmCIF", read_dssp, (".dssp", ".cif", ".mmcif")),
    "saprot": TokenFormat("FASTA of SaProt's strings", read_saprot, _FASTA),
    "3di-fasta": TokenFormat(
        "FASTA of 3Di states", partial(read_token_fasta, name="foldseek"), _FASTA
    ),
    "dssp-fasta": TokenFormat(
        "FASTA of DSSP states", partial(read_token_fasta, name="dssp"), _FASTA
    ),
    "ss3-fasta": TokenFormat(
        "FASTA of helix, strand and coil", partial(read_token_fasta, name="ss3"), _FASTA
    ),
    "fasta": TokenFormat("FASTA of letters of an alphabet", read_token_fasta, _FASTA, True),
    "codes": TokenFormat("arrays or tables of numbers", read_codes, SUFFIXES, True),
}
"""Formats by name."""


def import_tokens(
    store: Store,
    paths: Sequence[Path],
    source: str,
    format: str,
    *,
    alphabet: str | None = None,
    sequences: Iterable[Protein] = (),
    only_known: bool = False,
    progress: Progress = SILENT,
) -> TokenReport:
    """Store tokens of foreign files; tokens that are stored already stay.

    Parameters
    ----------
    store : Store
        Tokens go to its token store of `source`.
    paths : sequence of path
        Files, or folders of them.
    source : str
        Where the structures came from, such as ``"alphafold2"``.
    format : str
        One of `FORMATS`.
    alphabet : str, optional
        Of the tokens, for the formats that can hold any: ``"esm3"``, or a declared one.
    sequences : iterable of Protein
        Sequences by id, looked up before those of the store.
    only_known : bool
        Leave out entries whose protein is neither given nor in the store.
    progress : Progress
        Told about entries as they are done.

    Returns
    -------
    TokenReport
        ``structures`` counts entries; ``failed`` has files and entries that could not be used.

    Raises
    ------
    UnknownNameError
        There is no such format, or alphabet.
    InputError
        An alphabet is needed and not named, or named and not needed.
    MissingFileError
        A path does not exist, or a folder has no file of the format.
    """
    if format not in FORMATS:
        raise UnknownNameError("format of tokens", format, FORMATS)
    token_format = _of_alphabet(FORMATS[format], format, alphabet)
    run = TokenRun(store, source, None, sequences)
    with run.measured(), progress.stage("importing", None, "entries") as bar:
        for path in _files(paths, token_format):
            for record in _records(path, token_format):
                bar.advance()
                if isinstance(record, ForeignTokens):
                    protein = run.names.find(record.labels, any_chain=True)
                    if protein is None and (only_known or record.chain is None):
                        reason = run.names.reason(record.labels)
                        list_failure(run.report.unmatched, record.location, reason)
                        if only_known:
                            continue
                    run.add(_placed(record, protein, source, format), 1, path)
                else:
                    run.add(TokenisedModel((), [], [record]), 1, path)
    return run.report


def _of_alphabet(token_format: TokenFormat, format: str, name: str | None) -> TokenFormat:
    if not token_format.of_any:
        if name is not None:
            raise InputError(f"{format} says which alphabet its tokens are of. Name none")
        return token_format
    if name is None:
        raise InputError(
            f"which alphabet are the tokens of? Name one for {format}: {', '.join(ALPHABETS)}, or "
            f"one you declare with `sesstore alphabets FILE`"
        )
    find_alphabet(name)
    return replace(token_format, read=partial(token_format.read, name=name))


def _files(paths: Sequence[Path], token_format: TokenFormat) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        files = sorted(
            f
            for f in path.rglob("*")
            if unpacked_name(f.name).lower().endswith(token_format.suffixes)
        )
        # A database is named without the endings of its files, and has parts of its own.
        databases = [f.with_suffix("") for f in files if f.suffix == ".dbtype"]
        if databases:
            files = [db for db in databases if db.with_name(f"{db.name}_ss.dbtype").is_file()]
        if not files:
            raise MissingFileError(f"there is no {token_format.summary} in folder '{path}'")
        yield from files


def _records(path: Path, token_format: TokenFormat) -> Iterator[ForeignTokens | Failure]:
    """Entries of a file, and as the last one why the rest of it cannot be read."""
    try:
        yield from token_format.read(path)
    except InputError as problem:
        yield Failure(str(path), str(problem))


def _placed(
    record: ForeignTokens, protein: Protein | None, source: str, format: str
) -> TokenisedModel:
    try:
        chain = _aligned(record, protein, source, f"imported from {format}")
    except InputError as problem:
        return TokenisedModel((), [], [Failure(record.location, str(problem))])
    return TokenisedModel((), [chain], [])


def _aligned(
    record: ForeignTokens, stored: Protein | None, source: str, made_by: str
) -> TokenisedChain:
    name, chain = record.location, record.chain
    if chain is not None:
        structure_protein = Protein(record.labels[0], normalise(chain.residues))
        protein = stored or structure_protein
        is_equal = protein.sequence == structure_protein.sequence
        index = (
            np.arange(len(structure_protein)) if is_equal else place(chain, protein.sequence, name)
        )
    elif stored is None:
        raise InputError(
            f"{name}: no sequence is known as {' or '.join(record.labels)}. Give one with "
            f"--sequences"
        )
    else:
        structure_protein = protein = stored
        index = np.arange(len(protein))
        lengths = {codes.shape[1] for codes in record.codes.values()} - {len(protein)}
        if lengths:
            raise InputError(
                f"{name} has {lengths.pop()} tokens, the sequence of '{protein.id}' "
                f"{len(protein)} residues. Are they of the same structure?"
            )
    codes = {
        name: np.stack([spread(index, row, find_alphabet(name).mask) for row in rows])
        for name, rows in record.codes.items()
    }
    covered = np.mean([(rows < find_alphabet(name).mask).any(0) for name, rows in codes.items()])
    tokens = StructureTokens(protein.digest, source, codes, None, made_by)
    return TokenisedChain(protein, tokens, float(covered), record.location, structure_protein)
