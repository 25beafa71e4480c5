"""Any transformers folder whose tokenizer gives one token a residue: ``--plm hf:FOLDER``.

A door for models that have no file of their own here: they run by transformers' own forward, on
padded batches, one batch at a time, and all layers whichever are kept. That is slow beside the
other encoders. The tokenizer is asked once: what each letter becomes and which tokens stand around
a sequence is read off, checked, and done by `tokeniser` from then on. No code of the folder's is
ever run, and no pickle loaded but tensors.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..alphabets import AMINO_ACIDS
from ..errors import MissingExtraError, WeightsError
from .base import PackedEncoder, make_encoder
from .catalogue import EncoderSpec, Options
from .folder_spec import PREFIX
from .hidden_states import States
from .tokeniser import PackedTokens, Tokeniser

_LETTERS = "ACDEFGHIKLMNPQRSTVWY"
_UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, AttributeError, ImportError, TypeError)
"""What transformers raises for a folder it cannot load."""


def load(spec: EncoderSpec, options: Options) -> TransformersFolder:
    """Make the model of a folder ready; see `registry.load`."""
    path = options.weights or Path(spec.name.removeprefix(PREFIX))
    return make_encoder(TransformersFolder, spec, options, path)


class TransformersFolder(PackedEncoder):
    """A model that transformers runs; see `PackedEncoder`."""

    def build(self) -> _Forward:
        """Let transformers load the model."""
        library = _transformers(self.name)
        try:
            with _quiet(library):
                model, loaded = library.AutoModel.from_pretrained(
                    self.path,
                    local_files_only=True,
                    trust_remote_code=False,
                    output_loading_info=True,
                    dtype=self.dtype,
                )
        except _UNREADABLE as why:
            raise _unreadable(self.path, why) from None
        if missing := sorted(name for name in loaded["missing_keys"] if "pooler" not in name):
            raise WeightsError(
                f"'{self.path}' lacks weights that its model needs ({', '.join(missing[:3])}), and "
                f"would run on random ones. Get its files again"
            )
        if getattr(model.config, "is_encoder_decoder", False):
            model = model.get_encoder()
        return _Forward(model.eval().to(self.device), self.spec.layers, str(self.path))

    def tokeniser(self) -> Tokeniser:
        """Ask the folder's tokenizer what letters become."""
        return tokeniser_of(self.path, self.name)

    def flops(self, length: int) -> int:
        """Floating-point operations for one protein of this length, as of a plain transformer."""
        rows, d = length + 2, self.dim
        return self.spec.layers * (24 * rows * d * d + 4 * rows * rows * d)

    def bytes_per_residue(self) -> int:
        """All layers' rows are held, and scores of attention may be."""
        rows = (self.spec.layers + 17) * self.dim
        scores = 2 * self.spec.heads * min(self.window or 0, 1024)
        return (rows + scores) * self.dtype.itemsize


def _unreadable(path: Path, why: Exception) -> WeightsError:
    first = str(why).splitlines()[0] if str(why) else type(why).__name__
    return WeightsError(
        f"transformers cannot load '{path}': {first}. Name a folder with config.json, weights and "
        f"tokenizer files, of a model that needs no code of its own"
    )


def tokeniser_of(folder: Path, name: str) -> Tokeniser:
    """Ask a folder's tokenizer what letters become; see `read_letters`."""
    library = _transformers(name)
    try:
        tokenizer = library.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except _UNREADABLE as why:
        raise _unreadable(folder, why) from None
    return read_letters(tokenizer, str(folder))


def pad(batch: PackedTokens) -> tuple[Tensor, Tensor]:
    """Tokens of a batch and where they are real, [B, longest] each, int64."""
    sequences = torch.split(batch.ids.long(), list(batch.lengths))
    ids = pad_sequence(list(sequences), batch_first=True)
    mask = pad_sequence([torch.ones_like(ids_) for ids_ in sequences], batch_first=True)
    return ids, mask


def _transformers(name: str) -> Any:
    try:
        import transformers
    except ImportError:
        raise MissingExtraError(f"encoder '{name}'", "hf") from None
    return transformers


@contextmanager
def _quiet(library: Any) -> Iterator[None]:
    """Keep transformers from printing what it loads: what is missing is checked, and an error."""
    verbosity = library.logging.get_verbosity()
    library.logging.set_verbosity_error()
    library.logging.disable_progress_bar()
    try:
        yield
    finally:
        library.logging.set_verbosity(verbosity)
        library.logging.enable_progress_bar()


class _Forward:
    """A transformers model on packed tokens: padded, run, packed again."""

    def __init__(self, model: Any, layers: int, path: str) -> None:
        self._model, self._layers, self._path = model, layers, path
        # Hidden states are collected by hooks of the model itself, which threads would share.
        self._turn = threading.Lock()

    def __call__(self, batch: PackedTokens, wanted: Collection[int]) -> States:
        """Yield the wanted layers' rows, [T, d]."""
        ids, mask = pad(batch)
        with self._turn:
            states = self._model(
                input_ids=ids, attention_mask=mask, output_hidden_states=True
            ).hidden_states
        if states is None or len(states) != self._layers + 1:
            raise WeightsError(
                f"the model in '{self._path}' gives {len(states or ())} hidden states, and its "
                f"config.json says {self._layers} layers. Its layers cannot be told apart"
            )
        real = mask.bool()
        for number in sorted(wanted):
            rows: Tensor = states[number][real]
            yield number, rows


def read_letters(tokenizer: Any, path: str) -> Tokeniser:
    """Read off what a tokenizer makes of each letter, and what it puts around a sequence.

    Parameters
    ----------
    tokenizer : transformers.PreTrainedTokenizerBase
    path : str
        For messages.

    Returns
    -------
    Tokeniser
        Letters the tokenizer does not know become its X, or its token for what is unknown.

    Raises
    ------
    WeightsError
        It does not give one token a residue, between the same tokens always.
    """
    spaced = not _fits(tokenizer, _LETTERS)
    if spaced and not _fits(tokenizer, " ".join(_LETTERS)):
        count = len(_ids(tokenizer, _LETTERS, special=False))
        raise WeightsError(
            f"the tokenizer in '{path}' gives {count} tokens for {len(_LETTERS)} residues, and "
            f"sesstore needs one each. Compute these embeddings elsewhere, and `sesstore import` "
            f"them"
        )

    def written(sequence: str) -> str:
        return " ".join(sequence) if spaced else sequence

    bare = _ids(tokenizer, written(_LETTERS), special=False)
    whole = _ids(tokenizer, written(_LETTERS))
    before = next((n for n in range(len(whole)) if whole[n : n + len(bare)] == bare), None)
    if before is None:
        raise WeightsError(
            f"the tokenizer in '{path}' changes a sequence's tokens when it puts others around it. "
            f"Compute these embeddings elsewhere, and `sesstore import` them"
        )
    prefix, suffix = tuple(whole[:before]), tuple(whole[before + len(bare) :])
    ids = np.zeros(128, np.int32)
    unknown = _middle(tokenizer, written("AXA"))
    if unknown is None:
        unknown = tokenizer.unk_token_id
    if unknown is None:
        raise WeightsError(
            f"the tokenizer in '{path}' knows neither X nor a token for what is unknown. Compute "
            f"these embeddings elsewhere, and `sesstore import` them"
        )
    ids[:] = unknown
    for letter in AMINO_ACIDS.letters:
        token = _middle(tokenizer, written(f"A{letter}A"))
        ids[ord(letter)] = unknown if token is None or token == tokenizer.unk_token_id else token
    made = Tokeniser(ids, prefix, suffix)
    for probe in (_LETTERS[::-1], "MKKKWWXXA", "M"):
        own = [*prefix, *(int(ids[ord(letter)]) for letter in probe), *suffix]
        if own != _ids(tokenizer, written(probe)):
            raise WeightsError(
                f"the tokenizer in '{path}' reads '{probe}' otherwise than letter by letter. "
                f"Compute these embeddings elsewhere, and `sesstore import` them"
            )
    return made


def _ids(tokenizer: Any, text: str, *, special: bool = True) -> list[int]:
    return [int(token) for token in tokenizer(text, add_special_tokens=special)["input_ids"]]


def _fits(tokenizer: Any, text: str) -> bool:
    """Whether a text of all twenty amino acids becomes twenty tokens, all different and known."""
    ids = _ids(tokenizer, text, special=False)
    known = tokenizer.unk_token_id is None or tokenizer.unk_token_id not in ids
    return len(ids) == len(set(ids)) == len(_LETTERS) and known


def _middle(tokenizer: Any, text: str) -> int | None:
    """Token of the letter in the middle of three; None if these are not three tokens."""
    ids = _ids(tokenizer, text, special=False)
    return ids[1] if len(ids) == 3 else None
