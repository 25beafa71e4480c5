"""Folders of ``.pt`` files as fair-esm's bulk extraction writes them.

One file a protein: ``{"label": id, "representations": {layer: [L, d]}}`` (``mean_representations``
and contacts may stand beside). Read with ``weights_only=True``: no pickled code ever runs.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError
from ..proteins import Protein
from .embedding_record import ForeignEmbedding, check_unpacked, file_labels
from .filenames import FileNames, data_files


def read_fairesm(folder: Path, layer: int) -> Iterator[ForeignEmbedding]:
    """Read one layer from the files of a folder, one at a time.

    Parameters
    ----------
    folder : path
        With ``.pt`` files, in it or in folders (fair-esm makes folders of the ``/`` in an id).
    layer : int
        Which layer's representation to take.

    Yields
    ------
    ForeignEmbedding
        With a problem where a file is not of this form, or lacks the layer; names the layers.

    Raises
    ------
    MissingFileError
        There is no such folder, or no ``.pt`` file in it.
    """
    for file, labels in file_labels(folder, data_files(folder, ".pt")).items():
        try:
            yield _record(file, layer, labels)
        except InputError as problem:
            yield ForeignEmbedding(labels, problem=str(problem))


def _record(file: Path, layer: int, labels: tuple[str, ...]) -> ForeignEmbedding:
    content = _load(file)
    layers = content.get("representations")
    tensor = layers.get(layer) if isinstance(layers, dict) else None
    if not isinstance(tensor, Tensor):
        has = sorted(map(str, layers)) if isinstance(layers, dict) else []
        raise InputError(
            f"{file} has no per-residue representation of layer {layer} "
            f"(layers in it: {', '.join(has) or 'none'}). Name one of these with --layer, or write "
            f"the file again"
        )
    label = content.get("label")
    if isinstance(label, str):
        labels = tuple(dict.fromkeys([label, *label.split()[:1], *labels]))
    kind = "f" if tensor.is_floating_point() else "i"
    # Read as float32: a view may state more than its file holds.
    read = partial(_values, tensor)
    return ForeignEmbedding(labels, tuple(tensor.shape), kind, read, 4 * tensor.numel())


def _values(tensor: Tensor) -> NDArray[np.floating]:
    values: NDArray[np.float32] = tensor.detach().float().numpy()
    return values


def write_fairesm(
    folder: Path, embeddings: Iterable[tuple[Protein, NDArray[np.floating]]], layer: int
) -> int:
    """Write one ``.pt`` file a protein, named by its id; returns the files written.

    Means, [d], go under ``mean_representations``, as fair-esm writes them. The id is the ``label``
    in the file, whatever the file's name had to be; one that was written already is not again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = FileNames()
    for protein, values in embeddings:
        if (name := names.new(protein.id)) is None:
            continue
        tensor = torch.from_numpy(np.ascontiguousarray(values, np.float32))
        kind = "representations" if tensor.ndim == 2 else "mean_representations"
        torch.save({"label": protein.id, kind: {layer: tensor}}, folder / f"{name}.pt")
    return len(names)


def _load(file: Path) -> dict[str, object]:
    check_unpacked(file)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        OSError,
        AttributeError,
        TypeError,
        IndexError,
    ) as why:
        first = str(why).splitlines()[0] if str(why) else type(why).__name__
        raise InputError(
            f"{file} is no plain fair-esm embedding file: {first}. Write it again with fair-esm's "
            f"extract.py, or take it out of the folder"
        ) from None
    if not isinstance(content, dict):
        raise InputError(f"{file} is no fair-esm embedding file. Take it out of the folder")
    return content
