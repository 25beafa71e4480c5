"""A store, from a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..progress import SILENT, Progress
from .html_tables import html_table
from .sequences import Sequences, proteins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..jobs.add import AddReport
    from ..jobs.embedding.embed import EmbedReport
    from ..jobs.predicting.neighbour_search import SearchReport
    from ..jobs.tokenizing.token_report import TokenReport
    from ..proteins import Protein
    from ..store import Store
    from ..store.summary import Summary
    from ..tasks import Task


class OpenStore:
    """A store at work. Get one by `sesstore.open`.

    Parameters
    ----------
    store : Store
        The store itself, for everything that is not a method here.
    progress : Progress
        Told about long work; silent by default.
    """

    def __init__(self, store: Store, progress: Progress = SILENT) -> None:
        self.store, self.progress = store, progress

    def __repr__(self) -> str:
        return f"sesstore.open({str(self.store.path)!r})"

    def _repr_html_(self) -> str:
        summary = self.info()
        rows: list[list[Any]] = [["sequences", "", summary.proteins]]
        rows += [
            ["embeddings", e.provenance.fingerprint.title, e.proteins] for e in summary.encoders
        ]
        rows += [["tokens", entry.source, entry.proteins] for entry in summary.sources]
        rows += [["task", entry.name, sum(entry.splits.values())] for entry in summary.tasks]
        return html_table([str(self.store.path), "", "proteins"], rows)

    def add(
        self,
        what: Sequences | Task,
        *,
        data: Path | str | None = None,
        source: str | None = None,
        replacing: bool = False,
        **reading: Any,
    ) -> AddReport:
        """Put a task, or plain proteins, into the store.

        Parameters
        ----------
        what : str, path, mapping, iterable or Task
            A task by name, a FASTA file, proteins as in `Sequences`, or a task made in Python,
            whose proteins the store must know.
        data : path, optional
            Where the task's files are.
        source : str, optional
            Where the structures behind tokens in the data come from; the task remembers it.
        replacing : bool
            Replace a task of that name although it predicts something else.
        **reading
            Further arguments of `jobs.add.load`.

        Raises
        ------
        InputError
            A record is wrong; then nothing was stored.
        NotStoredError
            The store does not know a protein of a task made in Python.
        """
        from ..datasets.load import LoadedTask
        from ..jobs.add import add, load
        from ..tasks import Task

        if isinstance(what, Task):
            list(
                self.store.proteins({d.tobytes() for s in what.splits.values() for d in s.digests})
            )
            loaded = LoadedTask(what, [], [], [])
            return add(self.store, loaded, replacing=replacing, progress=self.progress)
        if not isinstance(what, str | Path):
            return add(self.store, proteins(what), progress=self.progress)
        folder = None if data is None else Path(data)
        read = load(str(what), data=folder, source=source, **reading)
        return add(self.store, read, replacing=replacing, progress=self.progress)

    def tokenize(
        self, structures: Path | str | Iterable[Path | str], source: str, *, dssp: str = "mdtraj"
    ) -> TokenReport:
        """Turn structures into 3Di, DSSP and pLDDT tokens.

        Parameters
        ----------
        structures : path or iterable of path
            Files, folders, tar files.
        source : str
            Where they come from: ``"alphafold2"``, ``"pdb"``, ...
        dssp : str
            ``"mdtraj"``, or ``"mkdssp"`` if that is installed.
        """
        from ..jobs.tokenizing.tokenize import tokenize

        listed = [structures] if isinstance(structures, str | Path) else structures
        paths = [Path(path) for path in listed]
        return tokenize(self.store, paths, source, dssp=dssp, progress=self.progress)

    def embed(
        self,
        plm: str,
        what: Sequences | None = None,
        *,
        weights: Path | str | None = None,
        device: str | None = None,
        layers: str | None = None,
        precision: str | None = None,
        long: str = "windows",
        dtype: str = "float16",
        means: bool = False,
        source: str | None = None,
        min_plddt: int = 0,
    ) -> EmbedReport:
        """Run a protein language model once over what the store knows and lacks.

        Parameters
        ----------
        plm : str
            Such as ``"esm2_t33"`` or ``"near"``.
        what : str, path, mapping or iterable, optional
            Only these: a file, a task, or proteins as in `Sequences`.
        weights, device, layers, precision, long
            See `encoders.registry.load`.
        dtype : str
            Type the values are stored in: ``"float16"``, ``"float32"`` or ``"int8"``.
        means : bool
            Keep only the mean of each protein; stored residues are used.
        source : str, optional
            Of the structure tokens that SaProt reads; the store's only one by default.
        min_plddt : int
            Those tokens are masked where a residue has less, 0 to 100.

        Notes
        -----
        A part of the proteins, or the workers of a cluster: `jobs.embed_store.embed_store`.
        """
        from ..jobs.embed_store import EmbedSettings, embed_store
        from ..jobs.proteinfiles import checked_proteins

        settings = EmbedSettings(
            plm,
            layers=layers,
            weights=None if weights is None else Path(weights),
            device=device,
            precision=precision,
            long=long,
            dtype=dtype,
            means=means,
            source=source,
            min_plddt=min_plddt,
        )
        requested: Iterable[Protein] | None = None
        if isinstance(what, str | Path):
            requested = checked_proteins(self.store, [str(what)], self.progress.note)
        elif what is not None:
            requested = proteins(what)
        return embed_store(self.store, settings, requested, progress=self.progress)

    def embedding(self, sequence: str | Protein, plm: str | None = None) -> NDArray[Any]:
        """Return the stored embedding of a sequence.

        Parameters
        ----------
        sequence : str or Protein
        plm : str, optional
            The store's only encoder by default.

        Returns
        -------
        ndarray, shape=(L, d)
            Read-only, mapped from disk.

        Raises
        ------
        NotStoredError
            It is not embedded yet.
        """
        (protein,) = proteins([sequence])
        return self.store.embeddings(plm).get(protein.digest)

    def search(
        self,
        queries: str | Path | Sequence[str | Path],
        where: str | Path | None = None,
        *,
        count: int = 10,
        transfer: str | None = None,
        align: bool = True,
        approximate: bool = False,
        plm: str | None = None,
        weights: Path | str | None = None,
        device: str | None = None,
    ) -> SearchReport:
        """Find the proteins nearest to some queries by cosine of mean embeddings.

        Parameters
        ----------
        queries : str, path, or sequence of these
            Ids of the store, sequences, files of sequences, tasks.
        where : str or path, optional
            What is searched: a task, a file of sequences, the folder of another store; all that
            this store has embedded by default.
        count : int
            Hits a query.
        transfer : str, optional
            Task whose labels the queries get from its nearest training proteins.
        align : bool
            Align each pair, for its identity.
        approximate : bool
            Search by an index instead of all proteins, for tens of millions of them.
        plm : str, optional
            The encoder; the store's only one by default.
        weights, device
            See `encoders.registry.load`.

        Returns
        -------
        SearchReport
            ``report.queries[0].hits`` are the first query's, the nearest first.

        Raises
        ------
        UnknownNameError, MissingFileError, RecordError
            A query is none of what it may be, or a record of a file is wrong.
        """
        from ..jobs.predicting.neighbour_search import SearchOptions, search_neighbours

        names = [queries] if isinstance(queries, str | Path) else list(queries)
        path = None if weights is None else Path(weights)
        return search_neighbours(
            self.store,
            [str(name) for name in names],
            None if where is None else str(where),
            SearchOptions(count, transfer, align, approximate, plm, path, device),
            progress=self.progress,
        )

    def info(self) -> Summary:
        """Count what the store holds."""
        from ..store.summary import summarise

        return summarise(self.store)


def open(  # noqa: A001 - reads as sesstore.open(...)
    path: Path | str = "store", *, create: bool = True, progress: Progress = SILENT
) -> OpenStore:
    """Open a store, or make one.

    Parameters
    ----------
    path : path
        Its folder.
    create : bool
        Make it if there is none.
    progress : Progress
        Told about long work.

    Raises
    ------
    MissingFileError
        There is none, and none is to be made.
    StoreFormatError
        The folder holds something else.
    """
    from ..store import Store

    return OpenStore(Store.open(path, create=create), progress)
