"""Compare two stores, or the embeddings of two encoders, protein by protein."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import SILENT, Progress
from .embeddings import Embeddings
from .store import Store


@dataclass(frozen=True)
class ProteinDifference:
    """How the embeddings of one protein differ.

    Parameters
    ----------
    digest : str
        Hexadecimal.
    residues : int
        Length.
    largest, mean : float
        Of the absolute differences.
    cosine : float
        Smallest cosine between the two embeddings of a residue.
    """

    digest: str
    residues: int
    largest: float
    mean: float
    cosine: float


@dataclass
class EmbeddingsDifference:
    """How two sets of embeddings differ.

    Parameters
    ----------
    left, right : str
        Encoders.
    only_left, only_right : int
        Proteins that stand in one of them only.
    proteins : list of ProteinDifference
        Those that stand in both, in the order of the left one.
    """

    left: str
    right: str
    only_left: int
    only_right: int
    proteins: list[ProteinDifference] = field(default_factory=list)

    @property
    def largest(self) -> float:
        """Largest absolute difference of all."""
        return max((p.largest for p in self.proteins), default=0.0)

    @property
    def mean(self) -> float:
        """Mean absolute difference over residues."""
        residues = sum(p.residues for p in self.proteins)
        return sum(p.mean * p.residues for p in self.proteins) / max(residues, 1)

    @property
    def cosine(self) -> float:
        """Smallest cosine of all."""
        return min((p.cosine for p in self.proteins), default=1.0)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        totals = {"largest": self.largest, "mean": self.mean, "cosine": self.cosine}
        return {**asdict(self), "common": len(self.proteins), **totals}


@dataclass
class StoresDifference:
    """How two stores differ: numbers of what stands in one only, and what differs in both.

    Parameters
    ----------
    proteins : tuple of int
        Sequences only left, only right, in both.
    tasks, tokens : dict of str to str
        By name: ``"only left"``, ``"only right"``, ``"same"`` or ``"different"``.
    embeddings : list of EmbeddingsDifference
        One an encoder that both have.
    encoders : dict of str to str
        By folder name: ``"only left"``, ``"only right"`` or ``"both"``.
    """

    proteins: tuple[int, int, int]
    tasks: dict[str, str]
    tokens: dict[str, str]
    encoders: dict[str, str]
    embeddings: list[EmbeddingsDifference]

    @property
    def same(self) -> bool:
        """Whether both hold the same."""
        words = {*self.tasks.values(), *self.tokens.values(), *self.encoders.values()}
        exact = all(not (e.only_left or e.only_right or e.largest) for e in self.embeddings)
        return exact and not any(self.proteins[:2]) and words <= {"same", "both"}

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        embeddings = [difference.to_json() for difference in self.embeddings]
        return {**asdict(self), "embeddings": embeddings, "same": self.same}


def compare_embeddings(
    left: Embeddings, right: Embeddings, *, progress: Progress = SILENT
) -> EmbeddingsDifference:
    """Compare the proteins two views have in common.

    Parameters
    ----------
    left, right : Embeddings
        Of two stores, or two encoders of one width.
    progress : Progress
        Told about proteins.

    Raises
    ------
    InputError
        The widths differ, so that no residue can be compared.
    """
    names = [
        f"{v.provenance.fingerprint.encoder} {v.provenance.fingerprint.short}"
        for v in (left, right)
    ]
    if left.dim != right.dim:
        raise InputError(
            f"{names[0]} has {left.dim} columns, {names[1]} {right.dim}: embeddings of different "
            f"width cannot be compared. Compare two runs of one encoder"
        )
    rows = right.find(left.digests)
    common = np.flatnonzero(rows >= 0)
    difference = EmbeddingsDifference(
        names[0], names[1], len(left) - len(common), len(right) - len(common)
    )
    with progress.stage("comparing", len(common), "proteins") as bar:
        for row in common.tolist():
            digest = left.digests[row].tobytes()
            difference.proteins.append(_difference(digest, left.get(digest), right.get(digest)))
            bar.advance()
    return difference


def compare_stores(left: Store, right: Store, *, progress: Progress = SILENT) -> StoresDifference:
    """Compare everything two stores hold."""
    left_digests = {p.digest for p in left.proteins()}
    right_digests = {p.digest for p in right.proteins()}
    folders = [
        {s.encoder_folder(p.fingerprint).name: p for p in s.encoders()} for s in (left, right)
    ]
    encoders = {
        name: _only_side(name, folders[0], folders[1]) or "both"
        for name in sorted(folders[0].keys() | folders[1].keys())
    }
    return StoresDifference(
        proteins=(
            len(left_digests - right_digests),
            len(right_digests - left_digests),
            len(left_digests & right_digests),
        ),
        tasks=_compare_tasks(left, right),
        tokens=_compare_tokens(left, right),
        encoders=encoders,
        embeddings=[
            compare_embeddings(
                left.embeddings(folders[0][name].fingerprint),
                right.embeddings(folders[1][name].fingerprint),
                progress=progress,
            )
            for name, side in encoders.items()
            if side == "both"
        ],
    )


def _difference(digest: bytes, left: NDArray[Any], right: NDArray[Any]) -> ProteinDifference:
    if left.shape != right.shape:
        raise InputError(
            f"{digest.hex()[:12]} has {len(left)} residues in one and {len(right)} in the other. "
            f"Run `sesstore verify` on both"
        )
    a, b = left.astype(np.float32), right.astype(np.float32)
    gap = np.abs(a - b)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    products = (a * b).sum(1)
    cosine = np.divide(products, norms, out=np.ones_like(norms), where=norms > 0)
    return ProteinDifference(
        digest=digest.hex(),
        residues=len(a),
        largest=float(gap.max()),
        mean=float(gap.mean()),
        cosine=float(cosine.min()),
    )


def _compare_tasks(left: Store, right: Store) -> dict[str, str]:
    verdicts = {}
    for name in sorted({*left.tasks(), *right.tasks()}):
        verdicts[name] = _only_side(name, left.tasks(), right.tasks()) or _verdict(
            left.task(name).data_digest == right.task(name).data_digest
        )
    return verdicts


def _compare_tokens(left: Store, right: Store) -> dict[str, str]:
    verdicts = {}
    for source in sorted({*left.sources(), *right.sources()}):
        verdicts[source] = _only_side(source, left.sources(), right.sources()) or _verdict(
            _same_tokens(left, right, source)
        )
    return verdicts


def _same_tokens(left: Store, right: Store, source: str) -> bool:
    left_tokens, right_tokens = left.tokens(source), right.tokens(source)
    if left_tokens.digests() != right_tokens.digests():
        return False
    for a, b in zip(left_tokens, right_tokens, strict=True):
        if a.codes.keys() != b.codes.keys() or (a.plddt is None) != (b.plddt is None):
            return False
        if not all(np.array_equal(a.codes[name], b.codes[name]) for name in a.codes):
            return False
        if a.plddt is not None and b.plddt is not None and not np.array_equal(a.plddt, b.plddt):
            return False
    return True


def _only_side(name: str, left: Iterable[str], right: Iterable[str]) -> str:
    """``only left`` or ``only right``; empty if it is in both."""
    if name not in left:
        return "only right"
    return "" if name in right else "only left"


def _verdict(equal: bool) -> str:
    return "same" if equal else "different"
