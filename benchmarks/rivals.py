"""How others train the same adapter: padded batches, by the PLM in the loop or from HDF5.

Written from descriptions: the authors of SES-Adapter run the frozen PLM in every training step on
padded batches of at most 10,000 tokens in random order; biotrainer loads one HDF5 dataset a protein
into memory as float32 tensors and pads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

PADDED_TOKENS = 10_000
CODES = (21, 9)  # foldseek and dssp, with a mask each


class PaddedAdapter(nn.Module):
    """The adapter on padded batches, as one writes it first.

    Parameters
    ----------
    dim : int
        d.
    heads : int
        H.
    """

    def __init__(self, dim: int, heads: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.tokens = nn.ModuleList(nn.Embedding(codes, dim) for codes in CODES)
        self.projections = nn.ModuleList(
            nn.ModuleList(nn.Linear(dim, dim) for _ in range(3)) for _ in CODES
        )
        self.norm = nn.LayerNorm(dim)
        self.score = nn.Linear(dim, 1)
        self.head = nn.Sequential(
            nn.Linear(dim, dim), nn.Dropout(0.1), nn.ReLU(), nn.Linear(dim, 2)
        )

    def forward(self, x: Tensor, codes: Sequence[Tensor], real: Tensor) -> Tensor:
        """Logits from embeddings [B, L, d], codes [B, L] and which residues are real [B, L]."""
        for table, layers, s in zip(self.tokens, self.projections, codes, strict=True):
            query, key, value = (
                layer(t).unflatten(-1, (self.heads, -1)).transpose(1, 2)
                for layer, t in zip(layers, (table(s), x, x), strict=True)
            )
            attended = F.scaled_dot_product_attention(
                _rope(query), _rope(key), value, attn_mask=real[:, None, None, :]
            )
            x = self.norm(x + attended.transpose(1, 2).flatten(2))
        weights = self.score(x)[..., 0].masked_fill(~real, -torch.inf).softmax(1)
        return self.head((weights[..., None] * x).sum(1))


def _rope(x: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    angles = torch.arange(x.shape[2])[:, None] * 10000.0 ** -(torch.arange(half) / half)
    cos, sin = angles.cos().repeat(1, 2), angles.sin().repeat(1, 2)
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


def padded_batches(lengths: Sequence[int], seed: int = 0) -> Iterator[list[int]]:
    """Proteins in random order, in batches whose padded size is at most 10,000 tokens."""
    batch: list[int] = []
    longest = 0
    for i in np.random.default_rng(seed).permutation(len(lengths)).tolist():
        if batch and max(longest, lengths[i]) * (len(batch) + 1) > PADDED_TOKENS:
            yield batch
            batch, longest = [], 0
        batch.append(i)
        longest = max(longest, lengths[i])
    yield batch


class PaddedTraining:
    """A training step on padded batches.

    Parameters
    ----------
    dim : int
        d.
    codes : sequence of (ndarray, ndarray)
        foldseek and dssp codes [L] of each protein.
    labels : Tensor, shape=(N,)
        Class of each protein.
    device : torch.device
        Where it trains.
    """

    def __init__(
        self,
        dim: int,
        codes: Sequence[Sequence[np.ndarray]],
        labels: Tensor,
        device: torch.device,
    ) -> None:
        self.device = device
        self.adapter = PaddedAdapter(dim).to(device)
        self.optimiser = torch.optim.AdamW(self.adapter.parameters(), lr=5e-4)
        self.codes = [
            tuple(torch.from_numpy(c.astype(np.int64)).to(device) for c in pair) for pair in codes
        ]
        self.labels = labels.to(device)

    @contextmanager
    def computing_in(self, dtype: torch.dtype) -> Iterator[None]:
        """Compute in this type (by autocast); tensors are made on the device meanwhile."""
        half = torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32)
        with self.device, half:
            yield

    def step(self, batch: list[int], x: Tensor, real: Tensor) -> None:
        """Learn from one batch of embeddings [B, L, d]."""
        codes = [
            nn.utils.rnn.pad_sequence([self.codes[i][m] for i in batch], batch_first=True)
            for m in range(len(CODES))
        ]
        loss = F.cross_entropy(self.adapter(x, codes, real), self.labels[batch])
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()


def real_residues(lengths: Sequence[int]) -> Tensor:
    """Which places of a padded batch hold a residue: bool [B, L]."""
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def plm(dim: int, layers: int) -> nn.Module:
    """Return an ESM-2 of that shape with random weights, as transformers runs it."""
    from transformers import EsmConfig, EsmModel

    config = EsmConfig(
        vocab_size=33,
        mask_token_id=32,
        pad_token_id=1,
        hidden_size=dim,
        num_hidden_layers=layers,
        num_attention_heads=20,
        intermediate_size=4 * dim,
        max_position_embeddings=4098,
        position_embedding_type="rotary",
        token_dropout=False,
        emb_layer_norm_before=False,
    )
    return EsmModel(config, add_pooling_layer=False).eval()


def plm_step(
    model: nn.Module, training: PaddedTraining, batch: list[int], lengths: list[int]
) -> None:
    """Run the frozen PLM on a batch, then learn from what it gives."""
    sizes = [lengths[i] for i in batch]
    real = real_residues(sizes)
    with_ends = F.pad(real, (2, 0), value=True)  # BOS and EOS; which place they take costs nothing
    letters = torch.randint(4, 24, with_ends.shape).masked_fill(~with_ends, 1)
    with torch.no_grad():
        hidden = model(input_ids=letters, attention_mask=with_ends.long()).last_hidden_state
    training.step(batch, hidden[:, 2:], real)


def write_hdf5(path: Path, values: Sequence[np.ndarray]) -> None:
    """One dataset a protein, float16."""
    with h5py.File(path, "w") as file:
        for i, rows in enumerate(values):
            file.create_dataset(str(i), data=rows)


def read_hdf5(path: Path) -> list[Tensor]:
    """All datasets as float32 tensors in memory."""
    with h5py.File(path) as file:
        return [torch.from_numpy(file[str(i)][:].astype(np.float32)) for i in range(len(file))]


def cached_epoch(training: PaddedTraining, cached_values: list[Tensor]) -> None:
    """One epoch from embeddings in memory, padded."""
    lengths = [len(rows) for rows in cached_values]
    for batch in padded_batches(lengths):
        x = nn.utils.rnn.pad_sequence([cached_values[i] for i in batch], batch_first=True)
        real = real_residues([lengths[i] for i in batch])
        training.step(batch, x.to(training.device), real)
