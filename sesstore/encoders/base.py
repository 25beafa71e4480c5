"""What an encoder is, and the part all ours share: order, batches, windows, memory.

Proteins go in, embeddings come out, longest protein first. Residues of a batch lie back to back, as
many as the budget allows, so there is no padding; results do not depend on batch mates beyond float
rounding (1e-5 relative in float32).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..proteins import Protein
from ..provenance import Fingerprint
from ..residues import Embedding
from .catalogue import EncoderSpec, Options
from .devices import PRECISIONS, choose_device, choose_precision, free_memory
from .fetching import fetched, one_ahead
from .folders import weight_files
from .gate import Gate
from .parallel import mapped
from .weights import sha256_of_all
from .windows import Encoded, LostPieceError, Piece, cut, merged, policy

DEVICE_BUDGET = 65536
"""Residues of a batch that keep a large GPU busy."""


class Encoder(Protocol):
    """A frozen protein language model.

    Parameters
    ----------
    name, full_name : str
        Such as ``"esm2_t33"`` and ``"esm2_t33_650M_UR50D"``.
    dim : int
        Width of one residue's embedding.
    window : int or None
        Longest sequence the model takes at once.
    licence, citation : str
        Of the weights; of the paper.
    fingerprint : Fingerprint
        Its identity.
    """

    name: str
    full_name: str
    dim: int
    window: int | None
    licence: str
    citation: str

    @property
    def fingerprint(self) -> Fingerprint:
        """Identity: whatever changes a number beyond rounding."""

    @property
    def failures(self) -> dict[bytes, str]:
        """Why a protein was not encoded, by digest; of the latest `encode`."""

    def encode(self, proteins: Sequence[Protein]) -> Iterator[Embedding]:
        """Yield the embedding of each protein, [L, d] float32, in any order."""

    def flops(self, length: int) -> int:
        """Floating-point operations for one protein of this length."""


class PackedEncoder(ABC):
    """An encoder that takes packed batches.

    Parameters
    ----------
    spec : EncoderSpec
        What the registry knows of it.
    fingerprint : Fingerprint
        Its identity.
    device : torch.device
        Where it runs.
    path : path
        Its weights: a file, or a model folder. Read at the first batch.
    long : str
        ``"windows"`` or ``"nterm"``, see `windows`.
    """

    budget = 1024
    """Most residues of a batch: fewer where little memory is free, halved when it runs out."""

    def __init__(
        self,
        spec: EncoderSpec,
        fingerprint: Fingerprint,
        device: torch.device,
        path: Path,
        long: str = "windows",
    ) -> None:
        self.name, self.full_name = spec.name, spec.full_name
        self.licence, self.citation = spec.licence, spec.citation
        self.dim, self.window = spec.dim, spec.window
        self.fingerprint, self.device, self.path = fingerprint, device, path
        self.spec, self._long = spec, long
        self.failures: dict[bytes, str] = {}
        self._gate = Gate()
        if device.type != "cpu":
            self.budget = DEVICE_BUDGET

    @property
    def dtype(self) -> torch.dtype:
        """Type of the forward pass."""
        return PRECISIONS[self.fingerprint.precision]

    def bytes_per_residue(self) -> int:
        """Memory a residue of a batch needs at the forward's fullest."""
        return 16 * self.dim * self.dtype.itemsize

    @cached_property
    def model(self) -> Any:
        """What `build` made; made at the first batch."""
        return self.build()

    @abstractmethod
    def build(self) -> Any:
        """Read the weights and return what `forward` needs."""

    @abstractmethod
    def forward(self, sequences: Sequence[str]) -> Tensor:
        """Encode sequences no longer than the window; packed [sum of L, d], in their order."""

    @abstractmethod
    def flops(self, length: int) -> int:
        """Floating-point operations for one protein of this length."""

    def encode(self, proteins: Sequence[Protein]) -> Iterator[Embedding]:
        """Yield the embedding of each protein, longest first.

        What memory cannot hold even alone is left out, with a reason in `failures`.

        Parameters
        ----------
        proteins : sequence of Protein
            Distinct ones; a repeated digest is yielded again.

        Yields
        ------
        Embedding
            float32 [L, d].
        """
        self.failures = {}
        by_length = sorted(proteins, key=len, reverse=True)
        pieces = (piece for protein in by_length for piece in cut(protein, self.window, self._long))
        if by_length:
            _ = self.model  # built before any thread asks for it, and before memory is measured
            self.budget = self._fitting()
        encoded = self._encode_pieces(pieces, sum(map(len, by_length)) // self.budget + 1)
        for protein in by_length:
            try:
                values = merged(protein, encoded, self.window, self._long)
            except LostPieceError:
                self.failures[protein.digest] = (
                    f"memory ran out at {len(protein):,} residues. Encode it on a machine with more"
                )
            else:
                yield Embedding(protein.digest, values)

    def _fitting(self) -> int:
        """The budget, or as many residues as fill half of the memory that is free."""
        free = free_memory(self.device)
        at_once = torch.get_num_threads() if self.device.type == "cpu" else 1
        return max(min(self.budget, free // 2 // (self.bytes_per_residue() * at_once)), 1)

    def _encode_pieces(self, pieces: Iterable[Piece], count: int) -> Iterator[Encoded]:
        batches = self._batches(pieces)
        if self.device.type == "cpu":
            results = mapped(self._run, batches, count)
        else:
            results = one_ahead(self._launch, batches)
        for batch, packed in results:
            yield from self._handed_out(batch, packed)

    def _handed_out(
        self, batch: list[Piece], packed: NDArray[np.float32] | None
    ) -> Iterator[Encoded]:
        if packed is not None:
            ends = np.cumsum([len(piece) for piece in batch])
            yield from zip(batch, np.split(packed, ends[:-1]), strict=True)
        elif len(batch) == 1:
            yield batch[0], self._run_alone(batch)
        else:
            self.budget = max(sum(map(len, batch)) // 2, 1)
            half = len(batch) // 2
            for part in (batch[:half], batch[half:]):
                yield from self._handed_out(part, self._run_alone(part))

    def _run_alone(self, batch: list[Piece]) -> NDArray[np.float32] | None:
        """As `_run`, while no other thread takes memory for its batch."""
        with self._gate.alone():
            return self._run(batch)

    def _run(self, batch: list[Piece]) -> NDArray[np.float32] | None:
        """Values of a batch, back to back; None if memory ran out."""
        with self._gate.among_others():
            return self._launch(batch)()

    def _launch(self, batch: list[Piece]) -> Callable[[], NDArray[np.float32] | None]:
        """Begin a batch; what is returned waits for its values."""
        try:
            with torch.inference_mode():
                return fetched(self.forward([piece.sequence for piece in batch]))
        except (RuntimeError, MemoryError) as problem:
            if not out_of_memory(problem):
                raise
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return lambda: None

    def _batches(self, pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
        batch: list[Piece] = []
        size = 0
        for piece in pieces:
            if batch and size + len(piece) > self.budget:
                yield batch
                batch, size = [], 0
            batch.append(piece)
            size += len(piece)
        if batch:
            yield batch


Made = TypeVar("Made", bound=PackedEncoder)


def prepared(kind: type[Made], spec: EncoderSpec, options: Options, path: Path) -> Made:
    """Make an encoder of a family: its device, precision and identity, but no weights yet.

    Raises
    ------
    InputError
        There is no such device, precision or policy.
    """
    device = choose_device(options.device)
    fingerprint = Fingerprint(
        encoder=spec.full_name,
        weights_sha256=sha256_of_all(weight_files(path) if path.is_dir() else [path]),
        layer=spec.layers,
        residue_mapping=spec.reading.mapping,
        long_policy=policy(spec.window, options.long),
        precision=choose_precision(options.precision, device, spec.precisions),
    )
    return kind(spec, fingerprint, device, path, options.long)


_SIGNS = (
    "DefaultCPUAllocator: can't allocate memory",
    "could not create a primitive",  # oneDNN has no better word for it
    "could not create a memory",
    "bad_alloc",
    "CUDA error: out of memory",
    "cudaErrorMemoryAllocation",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
    "cudaHostAlloc",
    "cudaHostRegister",
    "pin memory",
)
"""What torch, oneDNN and NVIDIA's libraries say when memory is full, but for torch's own class."""


def out_of_memory(problem: BaseException) -> bool:
    """Whether an error says that a GPU's or the machine's memory is full.

    Torch's caching allocator has a class of its own for that; the driver's errors come as
    `torch.AcceleratorError`, and those of its libraries as `RuntimeError`, whatever failed.
    """
    text = str(problem)
    return isinstance(problem, torch.OutOfMemoryError | MemoryError) or any(
        sign in text for sign in _SIGNS
    )
