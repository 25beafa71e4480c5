"""A map: proteins of a task, a file or a store as points of a plane, with what is known of each.

Near on the map is near in the encoder's mean embeddings, as far as two dimensions can say so; the
nearest proteins listed beside each are exact. What has no mean yet gets one first, as in a search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...encoders import registry
from ...errors import InputError, MissingExtraError
from ...exchange.protein_maps import (
    SUFFIXES,
    Column,
    is_numeric,
    write_anndata,
    write_bundle,
)
from ...neighbours.cosine import MeanRows, nearest
from ...neighbours.projection import principal_components, umap
from ...progress import SILENT, Progress
from ...proteins import Protein
from ...store import Embeddings, Store
from .map_columns import table_columns, task_columns
from .neighbour_search import SearchOptions, chosen_fingerprint, digests_of, make_means, target_of
from .tables import FORMATS, open_table

MOST_POINTS = 100_000
"""Proteins of a map; of more so many are drawn at random."""
MOST_COMPARED = 20_000
"""Proteins among which the nearest of each are searched, which takes their number squared."""
NEAREST = 5
METHODS = ("auto", "pca", "umap")
PAGE = ".html"


@dataclass(frozen=True)
class MapOptions:
    """How to draw a map.

    Parameters
    ----------
    method : str
        One of `METHODS`; ``"auto"`` is UMAP where it is installed.
    tables : sequence of path
        Files whose columns are shown, joined by id: predictions, measurements.
    plm, weights, device : optional
        As of `SearchOptions`.
    """

    method: str = "auto"
    tables: Sequence[Path] = ()
    plm: str | None = None
    weights: Path | None = None
    device: str | None = None


@dataclass(frozen=True, eq=False)
class ProteinMap:
    """Proteins as points.

    Parameters
    ----------
    name, encoder, method : str
        What is drawn, by which encoder, and how.
    proteins : list of Protein
    means : MeanRows
        Of the proteins, in the order of storage: `MeanRows.order` tells whose a row is.
    points : ndarray, shape=(N, 2), dtype=float32
    variance : tuple of float
        Share of the variance of each axis; empty but for principal components.
    columns : mapping of str to list
        What is known of each protein: text or numbers, None where nothing is.
    nearest : list of list of int
        Numbers of the nearest proteins of each; empty where there are more than `MOST_COMPARED`.
    proteins_in_all : int
        Before so many as can be drawn were drawn.
    without_mean : int
        Proteins that were meant and have no mean.
    failed : dict of str to str
        Of these, protein to reason.
    unmatched : dict of str to int
        Rows of each table whose id is not on the map.
    """

    name: str
    encoder: str
    method: str
    proteins: list[Protein]
    means: MeanRows
    points: NDArray[np.float32]
    variance: tuple[float, ...]
    columns: Mapping[str, Column]
    nearest: list[list[int]]
    proteins_in_all: int
    without_mean: int
    failed: dict[str, str] = field(default_factory=dict)
    unmatched: dict[str, int] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """One row a protein, for a table; see `kinds`."""
        return [
            {
                "id": protein.id,
                "digest": protein.digest.hex(),
                "x": float(x),
                "y": float(y),
                **{name: column[i] for name, column in self.columns.items()},
            }
            for i, (protein, (x, y)) in enumerate(zip(self.proteins, self.points, strict=True))
        ]

    def kinds(self) -> dict[str, str]:
        """Columns of `rows`: name to kind."""
        kinds = {name: "number" if is_numeric(c) else "text" for name, c in self.columns.items()}
        return {"id": "text", "digest": "text", "x": "number", "y": "number", **kinds}

    @property
    def caption(self) -> str:
        """What is drawn, in a line."""
        share = " and ".join(f"{part:.0%}" for part in self.variance)
        axes = f"first two principal components ({share} of the variance)" if share else "UMAP"
        return f"{len(self.proteins):,} proteins, mean embeddings by {self.encoder}, {axes}"

    def notes(self) -> list[str]:
        """What to know about it: what is not on it, and what distances mean."""
        notes = []
        if len(self.proteins) < self.proteins_in_all:
            notes.append(
                f"{len(self.proteins):,} of {self.proteins_in_all:,} proteins, drawn at random."
            )
        if self.without_mean:
            notes.append(f"Not on it, as they have no embedding: {self.without_mean:,} proteins.")
        for table, rows in self.unmatched.items():
            if rows:
                notes.append(f"Of no protein of the map: {rows:,} rows of {table}.")
        if self.method == "umap":
            notes.append(
                "UMAP keeps neighbourhoods; distances between groups and their sizes say little."
            )
        return notes

    def to_json(self) -> dict[str, Any]:
        """What ``map --json`` says."""
        return {
            "name": self.name,
            "encoder": self.encoder,
            "method": self.method,
            "variance": list(self.variance),
            "proteins": len(self.proteins),
            "proteins_in_all": self.proteins_in_all,
            "without_mean": self.without_mean,
            "columns": list(self.columns),
            "failed": self.failed,
            "unmatched": self.unmatched,
        }


def map_proteins(
    store: Store,
    where: str | None = None,
    options: MapOptions | None = None,
    *,
    progress: Progress = SILENT,
) -> ProteinMap:
    """Lay proteins out by their mean embeddings.

    Parameters
    ----------
    store : Store
    where : str, optional
        A task, a file of sequences, or the folder of another store; all that this store has
        embedded by default.
    options : MapOptions, optional

    Raises
    ------
    InputError, UnknownNameError, MissingFileError
        A name or a table is wrong, it is not clear which encoder is meant, or there is nothing to
        draw.
    WeightsError
        Something has to be embedded, and the encoder's weights are absent.
    MissingExtraError
        UMAP is asked for and not installed.
    """
    options = options or MapOptions()
    method = _method(options.method)
    target, wanted = target_of(store, where)
    search = SearchOptions(plm=options.plm, weights=options.weights, device=options.device)
    fingerprint = chosen_fingerprint(target, search)
    load = partial(registry.load_same, fingerprint, weights=options.weights, device=options.device)
    failed = make_means(target, fingerprint, load, wanted, progress)
    view = target.embeddings(fingerprint.of_means)
    members = {} if wanted is None else {protein.digest: protein for protein in wanted}
    digests = digests_of(list(members.values())) if members else view.digests
    rows, count = _rows_to_draw(view, digests)
    names = [row.tobytes() for row in rows.digests]
    proteins = [members[name] for name in names] if members else list(target.proteins(names))
    progress.note(f"drawing {len(proteins):,} proteins by {method.upper()}")
    points, share = (umap(rows), None) if method == "umap" else principal_components(rows)
    columns: dict[str, Column] = {}  # the page colours by the first: by labels, if there are any
    if where is not None and where in target.tasks():
        columns |= task_columns(target.task(where), rows.digests)
    columns["residues"] = [float(len(protein)) for protein in proteins]
    unmatched = {}
    for table in options.tables:
        joined, unmatched[str(table)] = table_columns(table, [p.id for p in proteins])
        for name, column in joined.items():
            columns[name if name not in columns else f"{table.stem}: {name}"] = column
    total = target.count_proteins() if wanted is None else len(members)
    return ProteinMap(
        where or target.path.name, fingerprint.encoder, method, proteins, rows, points,
        () if share is None else tuple(share.tolist()), columns, nearest_proteins(rows), count,
        total - count, failed, unmatched,
    )  # fmt: skip


def _method(name: str) -> str:
    """Which way to lay out; raises `MissingExtraError` before anything is made for it."""
    installed = find_spec("umap") is not None
    if name == "umap" and not installed:
        raise MissingExtraError("a map by UMAP", "map")
    return ("umap" if installed else "pca") if name == "auto" else name


def _rows_to_draw(view: Embeddings, digests: NDArray[np.uint8]) -> tuple[MeanRows, int]:
    """Means of the proteins to draw, of those that have one; how many have."""
    rows = view.find(digests)
    rows = rows[rows >= 0]
    count = len(rows)
    if not count:
        raise InputError("there is no protein to draw. Embed some with `sesstore embed`")
    if count > MOST_POINTS:
        sample = np.random.default_rng(0).choice(count, MOST_POINTS, replace=False)
        rows = rows[np.sort(sample)]
    return MeanRows(view, rows), count


def check_map_file(path: Path) -> None:
    """Raise `InputError` unless a map can be written to a file of this name."""
    suffixes = (PAGE, *FORMATS, *SUFFIXES)
    if path.suffix not in suffixes:
        raise InputError(f"'{path}' does not say what to write. End it in {', '.join(suffixes)}")


def write_map(drawn: ProteinMap, path: Path) -> None:
    """Write a map as a table, AnnData or ProtSpace's bundle, by the file's suffix.

    A page is written by `reports.map_page`.

    Raises
    ------
    InputError
        Nothing is written to a file of this name.
    MissingExtraError
        What writes it is not installed.
    """
    check_map_file(path)
    ids = [protein.id for protein in drawn.proteins]
    if path.suffix == ".h5ad":
        means = np.asarray(drawn.means[0 : len(ids)], np.float32)
        write_anndata(path, ids, drawn.columns, means, drawn.points, drawn.method)
    elif path.suffix == ".parquetbundle":
        about = {"encoder": drawn.encoder, "variance": list(drawn.variance)}
        write_bundle(path, ids, drawn.columns, drawn.points, drawn.method, about)
    else:
        with open_table(path, drawn.kinds(), {"encoder": drawn.encoder}) as table:
            table.write(drawn.rows())


def nearest_proteins(rows: MeanRows) -> list[list[int]]:
    """Numbers of the nearest proteins of each; none where there are more than `MOST_COMPARED`."""
    count = len(rows)
    if not 1 < count <= MOST_COMPARED:
        return []
    everything = np.asarray(rows[0:count], np.float32)
    hits = nearest(everything, [everything], NEAREST, without=np.arange(count))
    numbers: list[list[int]] = hits.rows.tolist()
    return numbers
