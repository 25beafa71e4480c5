"""Maps of proteins for other tools: AnnData (scanpy, CELLxGENE) and ProtSpace's bundle.

Formats: AnnData's, by its own package; ProtSpace's ``.parquetbundle``, format version 2, which is
what its releases (4.8) and its site read: three Parquet tables (annotations, projections,
coordinates) with a mark between them. Releases refuse the six parts of a version 3 that is being
developed, and that one reads version 2 as well.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..durable_files import whole_file
from ..errors import InputError, MissingExtraError
from ..store.atomic_files import replace_file, saying_when_full

MARK = b"---PARQUET_DELIMITER---"
"""Between the tables of a bundle."""
SUFFIXES = (".h5ad", ".parquetbundle")

SEVERAL = "; "
"""Between the labels of a protein that has several."""
_CELL_FORMAT = {b"protspace_format_version": b"2"}
_RESERVED = {ord(c): f"%{ord(c):02X}" for c in (*";|%\x7f", *map(chr, range(32)))}
"""Letters that separate labels and scores in a cell of ProtSpace's, and what stands for them."""

Column = Sequence[str | None] | Sequence[float | None]
"""What is known of each protein of a map: text or numbers, None where nothing is."""


def is_numeric(column: Column) -> bool:
    """Whether a column holds numbers, and at least one."""
    values = [value for value in column if value is not None]
    return bool(values) and not any(isinstance(value, str) for value in values)


def write_anndata(
    path: Path,
    ids: Sequence[str],
    columns: Mapping[str, Column],
    means: NDArray[np.float32],
    points: NDArray[np.float32],
    method: str,
) -> None:
    """Write proteins as observations and their mean embeddings as variables, ``.h5ad``.

    Parameters
    ----------
    path : path
    ids : sequence of str, length N
        Repeats get a number.
    columns : mapping of str to sequence
        What is known of each: ``obs``.
    means : ndarray, shape=(N, d)
        ``X``.
    points : ndarray, shape=(N, 2)
        ``obsm["X_pca"]`` or ``obsm["X_umap"]``.
    method : str
        Which of the two.

    Raises
    ------
    MissingExtraError
        The extra ``[map]`` is not installed.
    """
    try:
        import anndata
        import pandas
    except ImportError:
        raise MissingExtraError("an AnnData file (.h5ad)", "map") from None
    table = pandas.DataFrame({name: list(values) for name, values in columns.items()})
    table.index = pandas.Index(_unique(ids))
    for name in table.select_dtypes(exclude="number").columns:
        table[name] = table[name].astype("category")
    data = anndata.AnnData(means, obs=table, obsm={f"X_{method}": points})
    with saying_when_full(path), whole_file(path) as beside:
        data.write_h5ad(beside, compression="gzip")


def write_bundle(
    path: Path,
    ids: Sequence[str],
    columns: Mapping[str, Column],
    points: NDArray[np.float32],
    method: str,
    about: Mapping[str, Any],
) -> None:
    """Write a map that ProtSpace opens, ``.parquetbundle``.

    Parameters
    ----------
    path, ids, columns, points, method
        As of `write_anndata`.
    about : mapping
        What the projection's record says of itself.

    Raises
    ------
    MissingExtraError
        The extra ``[parquet]`` is not installed.
    InputError
        A text holds the mark that stands between a bundle's tables.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("a ProtSpace bundle", "parquet") from None
    mark = MARK.decode()
    for name, values in {"ids": ids, **columns}.items():
        if mark in name or any(isinstance(value, str) and mark in value for value in values):
            raise InputError(f"{name} hold '{mark}', which a bundle cannot. Write .csv or .h5ad")
    ids, projection = _unique(ids), f"{method.upper()}_2"
    tables: list[dict[str, Any]] = [
        {"identifier": ids, **{name: _cells(values) for name, values in columns.items()}},
        {"projection_name": [projection], "dimensions": [2], "info_json": [json.dumps(about)]},
        {
            "projection_name": [projection] * len(ids),
            "identifier": ids,
            "x": points[:, 0],
            "y": points[:, 1],
            "z": pyarrow.nulls(len(ids), pyarrow.float32()),
        },
    ]
    parts = []
    for table, metadata in zip(tables, (_CELL_FORMAT, None, None), strict=True):
        buffer = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.table(table, metadata=metadata), buffer)
        parts.append(buffer.getvalue())
    replace_file(path, MARK.join(parts))


def _cells(column: Column) -> list[str | float | None]:
    """A column as ProtSpace reads it: several labels between semicolons, with none inside them."""
    return [
        ";".join(label.translate(_RESERVED) for label in value.split(SEVERAL))
        if isinstance(value, str)
        else value
        for value in column
    ]


def _unique(ids: Sequence[str]) -> list[str]:
    """Ids, the second and later of the same with a number that none of them has."""
    unique: dict[str, None] = {}
    for name in ids:
        number, candidate = 1, name
        while candidate in unique:
            number += 1
            candidate = f"{name} ({number})"
        unique[candidate] = None
    return list(unique)
