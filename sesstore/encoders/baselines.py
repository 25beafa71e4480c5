"""Encoders without weights: what a PLM has to beat.

``onehot``: one column a letter (the 20 and X U Z O B J). ``blosum62``: a residue's row of the
BLOSUM62 matrix (Henikoff & Henikoff 1992) in half bits; U O J, which it lacks, take the row of X.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..alphabets import AMINO_ACIDS
from ..proteins import Protein
from ..provenance import Fingerprint, sha256_json
from ..residues import Embedding
from .catalogue import EncoderSpec, Options
from .layer_names import parse_layers
from .windows import policy


def load(spec: EncoderSpec, options: Options) -> TableEncoder:
    """Make a baseline ready; see `registry.load`. It runs on the CPU, whatever the device."""
    policy(spec.window, options.long)  # raises if there is no such policy
    parse_layers(options.layers, spec)  # or layer
    table = _onehot() if spec.name == "onehot" else _blosum62()
    return TableEncoder(spec, table)


class TableEncoder:
    """Looks each residue up in a table.

    Parameters
    ----------
    spec : EncoderSpec
        What the registry knows of it.
    table : ndarray, shape=(letters, d), dtype=float32
        A row for each letter of the amino-acid alphabet.
    """

    window = None

    def __init__(self, spec: EncoderSpec, table: NDArray[np.float32]) -> None:
        self.name, self.full_name = spec.name, spec.full_name
        self.licence, self.citation = spec.licence, spec.citation
        self.dim, self._table = spec.dim, table
        self.failures: dict[bytes, str] = {}
        self.fingerprint = Fingerprint(
            encoder=spec.full_name,
            weights_sha256=sha256_json(table.tolist()),
            layer=0,
            residue_mapping=spec.reading.mapping,
            long_policy="whole",
            precision="fp32",
        )
        self.fingerprints = (self.fingerprint,)

    def encode(self, proteins: Sequence[Protein]) -> Iterator[Embedding]:
        """Yield the embedding of each protein, [L, d] float32."""
        for protein in proteins:
            yield Embedding(protein.digest, self._table[AMINO_ACIDS.encode(protein.sequence)])

    def flops(self, length: int) -> int:
        """None: a lookup."""
        return 0


def _onehot() -> NDArray[np.float32]:
    return np.eye(len(AMINO_ACIDS.letters), dtype=np.float32)


def _blosum62() -> NDArray[np.float32]:
    from biotite.sequence.align import SubstitutionMatrix

    matrix = SubstitutionMatrix.std_protein_matrix()
    letters = list(matrix.get_alphabet1().get_symbols())
    scores = matrix.score_matrix().astype(np.float32)
    rows = [letters.index(c if c in letters else "X") for c in AMINO_ACIDS.letters]
    table: NDArray[np.float32] = scores[rows]
    return table
