"""Folders of ``.pt`` files as fair-esm's bulk extraction writes them.

One file a protein: ``{"label": id, "representations": {layer: [L, d]}}`` (``mean_representations``
and contacts may stand beside). Read with ``weights_only=True``: no pickled code ever runs.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import InputError, MissingFileError
from ..proteins import Protein
from .foreign import ForeignEmbedding


def read_fairesm(folder: Path, layer: int) -> Iterator[ForeignEmbedding]:
    """Read one layer from the files of a folder, one at a time.

    Parameters
    ----------
    folder : path
        With ``.pt`` files.
    layer : int
        Which layer's representation to take.

    Raises
    ------
    MissingFileError
        There is no such folder, or no ``.pt`` file in it.
    InputError
        A file is not of this form, or lacks the layer; names it and the layers it has.
    """
    files = sorted(folder.rglob("*.pt")) if folder.is_dir() else []
    if not files:
        raise MissingFileError(f"there is no folder '{folder}' with .pt files in it")
    for file in files:
        content = _load(file)
        layers = content.get("representations")
        if not isinstance(layers, dict) or not isinstance(layers.get(layer), torch.Tensor):
            has = sorted(map(str, layers)) if isinstance(layers, dict) else []
            raise InputError(
                f"{file} has no per-residue representation of layer {layer} "
                f"(layers in it: {', '.join(has) or 'none'})"
            )
        label = str(content.get("label", file.stem))
        words = label.split()
        labels = tuple(dict.fromkeys([label, *words[:1], file.stem]))
        yield ForeignEmbedding(labels, layers[layer].float().numpy())


def write_fairesm(
    folder: Path, embeddings: Iterable[tuple[Protein, NDArray[np.floating]]], layer: int
) -> int:
    """Write one ``.pt`` file a protein, named by its id; returns the files written.

    Means, [d], go under ``mean_representations``, as fair-esm writes them.

    Raises
    ------
    InputError
        An id cannot name a file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for protein, values in embeddings:
        if not protein.id or protein.id.startswith(".") or "/" in protein.id:
            raise InputError(f"id '{protein.id}' cannot name a file. Export to HDF5 instead")
        tensor = torch.from_numpy(np.ascontiguousarray(values, np.float32))
        kind = "representations" if tensor.ndim == 2 else "mean_representations"
        content = {"label": protein.id, kind: {layer: tensor}}
        torch.save(content, folder / f"{protein.id}.pt")
        written += 1
    return written


def _load(file: Path) -> dict[str, object]:
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as why:
        first = str(why).splitlines()[0]
        raise InputError(f"{file} is no plain fair-esm embedding file: {first}") from None
    if not isinstance(content, dict):
        raise InputError(f"{file} is no fair-esm embedding file")
    return content
