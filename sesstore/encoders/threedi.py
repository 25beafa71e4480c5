"""3Di from sequence: ProstT5's convolutional head on its own embeddings (Heinzinger et al. 2024).

Two convolutions over seven residues, 1024 to 32 to 20 channels, with a ReLU between them. The head
is a file of the ProstT5 repository (``cnn_chkpnt/model.pt``), not of the Hugging Face folder.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..alphabets import FOLDSEEK
from ..errors import MissingFileError, WeightsError
from .folders import UNREADABLE
from .weights import sha256_of

_LETTERS = "ACDEFGHIKLMNPQRSTVWY"
"""3Di letters in the order of the head's outputs."""

_ORIGIN = "Take cnn_chkpnt/model.pt of ProstT5's repository"
_CODES = FOLDSEEK.encode(_LETTERS)
_SHAPES = {
    "classifier.0.weight": (32, 1024, 7, 1),
    "classifier.0.bias": (32,),
    "classifier.3.weight": (20, 32, 7, 1),
    "classifier.3.bias": (20,),
}


class ThreeDiHead:
    """Predicts 3Di tokens from ProstT5 embeddings.

    Parameters
    ----------
    path : path
        ``model.pt`` of the ProstT5 repository's ``cnn_chkpnt``.

    Raises
    ------
    MissingFileError
        There is no such file.
    WeightsError
        It is no such head.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise MissingFileError(f"there is no 3Di head at '{path}'. {_ORIGIN}")
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            state = content.get("state_dict", content)
            shapes = {name: tuple(state[name].shape) for name in _SHAPES}
        except UNREADABLE as why:
            first = str(why).splitlines()[0] if str(why) else type(why).__name__
            raise WeightsError(f"'{path}' is no 3Di head of ProstT5: {first}. {_ORIGIN}") from None
        if shapes != _SHAPES:
            raise WeightsError(
                f"'{path}' is no 3Di head of ProstT5: its shapes are {shapes}. {_ORIGIN}"
            )
        self._layers = [
            (state[f"classifier.{n}.weight"].float()[..., 0], state[f"classifier.{n}.bias"].float())
            for n in (0, 3)
        ]
        self.sha256 = sha256_of(path)

    def scores(self, values: NDArray[np.floating]) -> Tensor:
        """Logits [L, 20], channels in the head's own order, from embeddings [L, 1024]."""
        x = torch.from_numpy(np.asarray(values, np.float32)).T[None]
        (first, shift), (second, last) = self._layers
        with torch.inference_mode():
            hidden = F.conv1d(x, first, shift, padding=3).relu_()
            return F.conv1d(hidden, second, last, padding=3)[0].T

    def __call__(self, values: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Codes of the alphabet ``foldseek``, shape=(1, L), from embeddings [L, 1024]."""
        best: NDArray[np.int64] = self.scores(values).argmax(1).numpy()
        return _CODES[best][None]
