"""What an encoder is, and the part all of sesstore's share: order, batches, windows, memory.

Proteins go in, embeddings come out, longest protein first. Residues of a batch lie back to back, as
many as the budget allows, so there is no padding.

**Batch mates.** On a CPU they change results by no more than float rounding (1e-5 relative in
float32). On a GPU a batch's rows are filled up to a multiple of `kernels.BLOCK` and products run on
one such block at a time, so that cuBLAS is always asked for the same few shapes and picks the same
kernels; every other operation works row by row or within one protein. A protein's bits then depend
on the card, the versions of its libraries and the precision, and on nothing else in the batch. That
rests on cuBLAS giving one kernel a shape and on its kernels adding up each row alike wherever it
stands, which NVIDIA promises for equal calls and `benchmarks/gpu` checks; and it holds only where
memory has room for a whole block, since smaller batches run in smaller ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from ..attention.cuda import free_memory
from ..errors import InputError
from ..proteins import Protein
from ..provenance import Fingerprint
from ..residues import Embedding
from .batching import MemoryGate, fetch_to_host, run_one_ahead, run_side_by_side
from .catalogue import EncoderSpec, Options
from .devices import (
    PRECISIONS,
    choose_device,
    choose_precision,
    exact_products,
    stored_type,
)
from .folders import weight_files
from .hidden_states import KeptLayers
from .kernels import BLOCK, result_type
from .layer_names import depth_of, parse_layers
from .tokeniser import Tokeniser
from .weights import sha256_of_all
from .windows import (
    Encoded,
    EncoderInput,
    LostPieceError,
    Piece,
    Values,
    cut,
    merge_windows,
    policy,
)

DEVICE_BUDGET = 65536
"""Rows of a batch that keep a large GPU busy; whole blocks."""
_KEPT_BYTES = 2 << 30
"""What a batch's kept layers may take on a GPU, and again in pinned memory, beyond one block."""


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
    fingerprints : tuple of Fingerprint
        The same for each layer that is kept; `fingerprint` is the first.
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
    def fingerprints(self) -> tuple[Fingerprint, ...]:
        """One for each layer that is kept; the first is `fingerprint`."""

    @property
    def failures(self) -> dict[bytes, str]:
        """Why a protein was not encoded, by digest; of the latest `encode`."""

    def encode(self, proteins: Sequence[Protein]) -> Iterator[Embedding]:
        """Yield the embedding of each protein, [L, d], in any order.

        Where several layers are kept, each of them one after the other, with its place among
        `fingerprints` in `Embedding.output`.

        float32, or float16 if the arithmetic is in half precision: then values are finite, and
        nothing is lost by storing them as they are.
        """

    def flops(self, length: int) -> int:
        """Floating-point operations for one protein of this length."""


class PackedEncoder(ABC):
    """An encoder that takes packed batches.

    Parameters
    ----------
    spec : EncoderSpec
        What the registry knows of it.
    fingerprints : tuple of Fingerprint
        Its identity, with each layer that is kept.
    device : torch.device
        Where it runs.
    path : path
        Its weights: a file, or a model folder. Read at the first batch.
    long : str
        ``"windows"`` or ``"nterm"``, see `windows`.
    """

    budget = 1024
    """Most rows of a batch: residues, and the tokens a model reads around each protein. Fewer where
    little memory is free, halved when it runs out."""

    def __init__(
        self,
        spec: EncoderSpec,
        fingerprints: tuple[Fingerprint, ...],
        device: torch.device,
        path: Path,
        long: str = "windows",
    ) -> None:
        self.name, self.full_name = spec.name, spec.full_name
        self.licence, self.citation = spec.licence, spec.citation
        self.dim, self.window = spec.dim, spec.window
        self.fingerprint, self.fingerprints = fingerprints[0], fingerprints
        self.spec, self.device, self.path, self._long = spec, device, path, long
        layers = tuple(fingerprint.layer for fingerprint in fingerprints)
        self.depth = depth_of(layers, spec)
        """Layers that run: no more than the kept ones need."""
        self._kept = KeptLayers(layers, spec.layers)
        self.failures: dict[bytes, str] = {}
        self._gate = MemoryGate()
        if device.type != "cpu":
            rows = _KEPT_BYTES // (len(layers) * spec.dim * stored_type(self.dtype).itemsize)
            self.budget = _whole_blocks(min(max(rows, BLOCK), DEVICE_BUDGET))

    @property
    def dtype(self) -> torch.dtype:
        """Type of the forward pass."""
        return PRECISIONS[self.fingerprint.precision]

    def bytes_per_residue(self) -> int:
        """Memory a residue of a batch needs at the forward's fullest."""
        return 16 * self.dim * self.result_size

    @property
    def result_size(self) -> int:
        """Bytes of a number between products."""
        return result_type(self.dtype, self.device).itemsize

    @cached_property
    def model(self) -> Any:
        """What `build` made; made at the first batch."""
        return self.build()

    @abstractmethod
    def build(self) -> Any:
        """Read the weights of `depth` layers; return a trunk.

        It maps `PackedTokens` and layer numbers to these layers' rows, see `hidden_states`.
        """

    @abstractmethod
    def tokeniser(self) -> Tokeniser:
        """Make what turns sequences into tokens."""

    @cached_property
    def _tokeniser(self) -> Tokeniser:
        return self.tokeniser()

    def forward(self, sequences: Sequence[str]) -> Tensor:
        """Encode sequences no longer than the window.

        Returns
        -------
        Tensor, shape=(sum of L, k * d), dtype=float32 | float16
            Packed, in their order, the k kept layers side by side; float16 if the arithmetic is in
            half precision.
        """
        batch = self._tokeniser.pack(sequences, self.device, self._block)
        states = self.model(batch, self._kept.numbers)
        return self._kept.collect(states, batch.residues, stored_type(self.dtype))

    @property
    def _block(self) -> int:
        """Batches are filled up to a multiple of so many rows on a CUDA device, else not at all."""
        if self.device.type != "cuda":
            return 1
        return min(BLOCK, 1 << max(self.budget.bit_length() - 1, 0))

    @abstractmethod
    def flops(self, length: int) -> int:
        """Floating-point operations for one protein of this length."""

    def encode(self, proteins: Sequence[Protein]) -> Iterator[Embedding]:
        """Yield the embedding of each protein, longest first, and of each kept layer.

        What memory cannot hold even alone is left out, with a reason in `failures`.

        Parameters
        ----------
        proteins : sequence of Protein
            Distinct ones; a repeated digest is yielded again.

        Yields
        ------
        Embedding
            [L, d], float32, or float16 if the arithmetic is in half precision.

        Raises
        ------
        InputError
            Values are not finite in float16; says which precision may help. None of their batch
            is yielded.
        """
        yield from self._encode_inputs(proteins)

    def _encode_inputs(self, inputs: Sequence[EncoderInput]) -> Iterator[Embedding]:
        """As `encode`, of what a family made of the proteins."""
        self.failures = {}
        by_length = sorted(inputs, key=len, reverse=True)
        pieces = (piece for protein in by_length for piece in cut(protein, self.window, self._long))
        if by_length:
            # Built before any thread asks for it, and before memory is measured.
            _ = self.model, self._tokeniser
            self.budget = self._fitting()
        encoded = self._encode_pieces(pieces, sum(map(len, by_length)) // self.budget + 1)
        for protein in by_length:
            try:
                values = merge_windows(protein, encoded, self.window, self._long)
            except LostPieceError:
                self.failures[protein.digest] = (
                    f"memory ran out at {len(protein):,} residues. Encode it on a machine with more"
                )
            else:
                yield from self._embeddings(protein, values)

    def _embeddings(self, protein: EncoderInput, values: Values) -> Iterator[Embedding]:
        if self._kept.count == 1:
            yield Embedding(protein.digest, values)
            return
        for output, layer in enumerate(np.split(values, self._kept.count, axis=1)):
            yield Embedding(protein.digest, np.ascontiguousarray(layer), output=output)

    def _fitting(self) -> int:
        """The budget, or as many rows as fill half of the memory that is free; whole blocks."""
        free = free_memory(self.device)
        at_once = torch.get_num_threads() if self.device.type == "cpu" else 1
        several = self._kept.count if self._kept.count > 1 else 0
        needed = self.bytes_per_residue() + 2 * several * self.dim * self.dtype.itemsize
        rows = max(min(self.budget, free // 2 // (needed * at_once)), 1)
        return _whole_blocks(rows) if self.device.type == "cuda" else rows

    def _encode_pieces(self, pieces: Iterable[Piece], count: int) -> Iterator[Encoded]:
        batches = self._batches(pieces)
        if self.device.type == "cpu":
            results = run_side_by_side(self._run, batches, count)
        else:
            results = run_one_ahead(self._launch, batches)
        for batch, packed in results:
            yield from self._deliver(batch, packed)

    def _deliver(self, batch: list[Piece], packed: Values | None) -> Iterator[Encoded]:
        """Pieces of a batch with their values; a batch memory could not hold is cut in half again.

        The budget sinks for good: batches made from now on are as small as what memory held. Those
        under way on other threads may fail, too, and come here in their turn.
        """
        if packed is not None:
            ends = np.cumsum([len(piece) for piece in batch])
            yield from zip(batch, np.split(packed, ends[:-1]), strict=True)
            return
        share = 1 if len(batch) == 1 else 2  # one alone is tried again, without what fills a block
        self.budget = max(min(self.budget, self._rows(batch) // share), 1)
        if self.device.type == "cuda":
            self.budget = _whole_blocks(self.budget)
        if len(batch) == 1:
            yield batch[0], self._run_alone(batch)
            return
        half = len(batch) // 2
        for part in (batch[:half], batch[half:]):
            yield from self._deliver(part, self._run_alone(part))

    def _run_alone(self, batch: list[Piece]) -> Values | None:
        """As `_run`, while no other thread takes memory for its batch."""
        with self._gate.exclusive():
            return self._run(batch)

    def _run(self, batch: list[Piece]) -> Values | None:
        """Values of a batch, back to back; None if memory ran out."""
        with self._gate.shared():
            return self._launch(batch)()

    def _launch(self, batch: list[Piece]) -> Callable[[], Values | None]:
        """Begin a batch; what is returned waits for its values."""
        exact = exact_products() if self.device.type == "cuda" else nullcontext()
        try:
            with torch.inference_mode(), exact:
                ready = fetch_to_host(self.forward([piece.sequence for piece in batch]))
        except (RuntimeError, MemoryError) as problem:
            if not out_of_memory(problem):
                raise
        else:
            return lambda: self._finite(*ready())
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return lambda: None

    def _finite(self, values: Values, finite: bool) -> Values:
        if finite:
            return values
        precision = self.fingerprint.precision
        halves = [name for name in self.spec.precisions if name not in (precision, "fp32")]
        wider = "bf16" if precision == "fp16" and "bf16" in halves else "fp32"
        raise InputError(
            f"{self.name} gave values that are not finite, or beyond what float16 holds, in "
            f"{precision}. Encode with --precision {wider}"
        )

    def _rows(self, batch: Iterable[Piece]) -> int:
        extra = len(self._tokeniser.prefix) + len(self._tokeniser.suffix)
        return sum(len(piece) + extra for piece in batch)

    def _batches(self, pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
        batch: list[Piece] = []
        size = 0
        for piece in pieces:
            rows = self._rows([piece])
            if batch and size + rows > self.budget:
                yield batch
                batch, size = [], 0
            batch.append(piece)
            size += rows
        if batch:
            yield batch


def _whole_blocks(rows: int) -> int:
    """The largest budget of no more rows: whole blocks, or a smaller block, a power of two."""
    return rows // BLOCK * BLOCK or 1 << (rows.bit_length() - 1)


EncoderType = TypeVar("EncoderType", bound=PackedEncoder)


def make_encoder(
    kind: type[EncoderType],
    spec: EncoderSpec,
    options: Options,
    path: Path,
    files: Sequence[Path] = (),
) -> EncoderType:
    """Make an encoder of a family: its device, precision and identity, but no weights yet.

    Parameters
    ----------
    path : path
        Its weights: a file, or a model folder.
    files : sequence of path
        What of it is hashed, if not that file or the weights of that folder.

    Raises
    ------
    InputError
        There is no such device, precision, policy or layer.
    """
    device = choose_device(options.device)
    layers = parse_layers(options.layers, spec)
    fingerprint = Fingerprint(
        encoder=spec.full_name,
        weights_sha256=sha256_of_all(files or (weight_files(path) if path.is_dir() else [path])),
        layer=layers[0],
        residue_mapping=spec.reading.mapping,
        long_policy=policy(spec.window, options.long),
        precision=choose_precision(options.precision, device, spec.precisions),
        structure=options.structure.name if options.structure else "",
    )
    fingerprints = tuple(replace(fingerprint, layer=layer) for layer in layers)
    return kind(spec, fingerprints, device, path, options.long)


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
    "Triton Error [CUDA]: out of memory",
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
