"""The proteins a prediction is asked for, in the order they were named, however many.

Sequence files are read twice: once through, to check every record before anything is done, then
record by record as they are needed. What comes on standard input is spooled to disk first, so that
the same holds for it. Structures are tokenised a group at a time; without a store to keep them in,
their tokens live in a scratch store that is gone in the end.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import BinaryIO

from ...batches import batches
from ...datasets.fasta import parse_fasta
from ...datasets.text import Warn, ignored, open_text
from ...errors import InputError
from ...progress import SILENT, Progress
from ...proteins import Protein
from ...store import Store
from ...structures.structure_files import StructureFile, is_structure_path, models, structure_files
from ..accessions import AFDB, structure_paths
from ..inputs import is_sequence
from ..proteinfiles import proteins_of
from ..tokenizing.tokenize import tokenize

STDIN = "-"
"""The name of standard input."""

_GROUP = 2048
"""Structure models that are tokenised together: enough to keep all cores busy."""


@dataclass(frozen=True)
class InputPart:
    """Some of the proteins, whose tokens are in one place.

    Parameters
    ----------
    proteins : iterable of Protein
        Read as they are asked for; the same sequence may come under several ids.
    tokens : Store or None
        Where their structure tokens are, if there are any.
    """

    proteins: Iterable[Protein]
    tokens: Store | None


@dataclass(frozen=True)
class InputSpec:
    """What was named, beside the store.

    Parameters
    ----------
    names : sequence of str
        Files of sequences (FASTA, JSON lines, CSV), structures and folders of them, tasks of the
        store, accessions (see `accessions`), sequences as text, or ``"-"``.
    proteins : sequence of Protein
        Proteins in memory; they come first.
    stdin : BinaryIO, optional
        What ``"-"`` stands for: FASTA.
    source : str, optional
        Where structures come from.
    structures : sequence of StructureFile
        Structures that no name stands for, such as one in memory; they come last.
    """

    names: Sequence[str] = ()
    proteins: Sequence[Protein] = ()
    stdin: BinaryIO | None = None
    source: str | None = None
    structures: Sequence[StructureFile] = ()


class PredictionInputs:
    """The proteins to predict for. Get one by `read_inputs`, in a ``with`` block.

    Parameters
    ----------
    spec : InputSpec
    store : Store or None
        Whose tasks may be named, and that knows tokens.
    token_store : Store or None
        Takes the tokens of structures.
    spool : path, optional
        What came on standard input.
    progress : Progress
        Told about structures as they are tokenised.
    """

    def __init__(
        self,
        spec: InputSpec,
        store: Store | None,
        token_store: Store | None,
        spool: Path | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self._spec, self._store, self._token_store = spec, store, token_store
        self._spool, self._progress = spool, progress
        self._texts = _texts(spec.names, store)
        self._structures = {
            name: structure_files(structure_paths([Path(name)], progress.note))
            for name in spec.names
            if _is_structure(name)
        }
        self.failed: dict[str, str] = {}
        """Structures that could not be used, file to reason; complete once all parts are read."""
        self.residues, self.proteins = 0, 0
        """Of sequences; those of structures show when they are tokenised."""
        if (self._structures or spec.structures) and spec.source is None:
            raise InputError("say where the structures come from: --source alphafold2, pdb, ...")
        names = [name for name in spec.names if name not in self._structures]
        sequences = self._sequences(names, progress.note)
        for protein in chain(spec.proteins, sequences):
            self.proteins += 1
            self.residues += len(protein)

    @property
    def counted(self) -> bool:
        """Whether `proteins` is all there is."""
        return not (self._structures or self._spec.structures)

    @property
    def structure_files(self) -> list[StructureFile]:
        """The structures that were named, in their order."""
        named = [file for files in self._structures.values() for file in files]
        return [*named, *self._spec.structures]

    def parts(self) -> Iterator[InputPart]:
        """Yield the proteins, part by part; each part is to be read before the next."""
        if self._spec.proteins:
            yield InputPart(self._spec.proteins, self._store)
        for structures, names in groupby(self._spec.names, self._structures.__contains__):
            if structures:
                files = [file for name in names for file in self._structures[name]]
                yield InputPart(self._tokenised(files), self._token_store)
            else:
                yield InputPart(self._sequences(list(names)), self._store)
        if self._spec.structures:
            yield InputPart(self._tokenised(self._spec.structures), self._token_store)

    def _sequences(self, names: Sequence[str], warn: Warn = ignored) -> Iterator[Protein]:
        for name in names:
            if self._spool is not None and name == STDIN:
                yield from _spooled_fasta(self._spool, warn)
            elif name in self._texts:
                yield self._texts[name]
            elif self._store is not None and name in self._store.tasks():
                yield from _rows(self._store, name)
            else:
                yield from proteins_of(self._store, name, warn)

    def _tokenised(self, files: Sequence[StructureFile]) -> Iterator[Protein]:
        store, source = self._token_store, self._spec.source
        if store is None or source is None:
            return
        for group in batches(models(files), _GROUP):
            members: list[StructureFile] = [file for model in group for file in model]
            report = tokenize(store, members, source, progress=self._progress)
            self.failed |= report.failed
            yield from report.proteins


@contextmanager
def read_inputs(
    spec: InputSpec, store: Store | None, *, keep: bool, progress: Progress = SILENT
) -> Iterator[PredictionInputs]:
    """Read through what was named, and check every record.

    Parameters
    ----------
    spec : InputSpec
    store : Store or None
        The store; read only unless `keep`.
    keep : bool
        Keep the tokens of structures in the store.

    Raises
    ------
    MissingFileError, UnknownNameError
        There is no such file, or task of the store.
    RecordError
        A record is wrong; says where.
    InputError
        Structures without a source; or standard input twice.
    """
    with ExitStack() as stack:
        spool = None
        if STDIN in spec.names:
            spool = stack.enter_context(_spooled(spec))
        into = store if keep else None
        if into is None and (spec.structures or any(map(_is_structure, spec.names))):
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="sesstore-"))
            into = Store.create(Path(scratch) / "store")
        yield PredictionInputs(spec, store, into, spool, progress)


def _is_structure(name: str) -> bool:
    path = Path(name)
    if name.startswith(AFDB):
        return True
    # A long sequence as text is no name that the operating system would look up.
    return name != STDIN and bool(path.suffix or os.path.exists(name)) and is_structure_path(path)


def _texts(names: Sequence[str], store: Store | None) -> dict[str, Protein]:
    """Those names that are sequences as text, called seq1, seq2, ..."""
    tasks = [] if store is None else store.tasks()
    texts = [
        name
        for name in dict.fromkeys(names)
        if name not in tasks and is_sequence(name, tasks) and not os.path.exists(name)
    ]
    return {text: Protein.parse(f"seq{place}", text) for place, text in enumerate(texts, 1)}


def _rows(store: Store, name: str) -> Iterator[Protein]:
    """The rows of a task, under the ids its files gave them."""
    for split in store.task(name).splits.values():
        stored = store.proteins(digest.tobytes() for digest in split.digests)
        for name_in_file, protein in zip(split.ids, stored, strict=True):
            yield Protein(name_in_file, protein.sequence)


@contextmanager
def _spooled(spec: InputSpec) -> Iterator[Path]:
    if spec.stdin is None or list(spec.names).count(STDIN) > 1:
        raise InputError("standard input ('-') can be read once, from the command line")
    with tempfile.NamedTemporaryFile(prefix="sesstore-", suffix=".fasta") as file:
        shutil.copyfileobj(spec.stdin, file)
        file.flush()
        yield Path(file.name)


def _spooled_fasta(spool: Path, warn: Warn) -> Iterator[Protein]:
    name = "standard input"
    with open_text(spool, warn, name=name) as lines:
        yield from parse_fasta(lines, Path(name), warn)
