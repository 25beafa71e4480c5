"""What is read off a tokenizer: one token a residue, or a refusal that says why."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from sesstore.encoders.tokeniser import Tokeniser
from sesstore.encoders.transformers_folder import pad, read_letters
from sesstore.errors import WeightsError

AMINO = "ACDEFGHIKLMNPQRSTVWY"


class Letters:
    """A tokenizer as transformers' are called, of a token a letter, or a word where these are."""

    def __init__(
        self,
        letters: str = AMINO + "XU",
        unk: int | None = 1,
        *,
        spaced: bool = False,
        change: Callable[[list[int], bool], list[int]] = lambda ids, special: ids,
    ) -> None:
        self.ids = {letter: 10 + place for place, letter in enumerate(letters)}
        self.unk_token_id, self.spaced, self.change = unk, spaced, change

    def __call__(self, text: str, *, add_special_tokens: bool) -> dict[str, list[int]]:
        parts = text.split() if self.spaced else text.replace(" ", "")
        known = [self.ids.get(part, self.unk_token_id) for part in parts]
        ids = self.change([token for token in known if token is not None], add_special_tokens)
        return {"input_ids": [2, 3, *ids, 4] if add_special_tokens else ids}


@pytest.mark.parametrize("spaced", [False, True])
def test_a_token_a_letter_between_those_that_always_stand_there(spaced: bool) -> None:
    read = read_letters(Letters(spaced=spaced), "here")
    assert (read.prefix, read.suffix) == ((2, 3), (4,))
    batch = read.pack(["MKU", "XZJ"], torch.device("cpu"))
    place = {letter: 10 + n for n, letter in enumerate(AMINO + "XU")}
    first = [place["M"], place["K"], place["U"]]
    assert batch.ids.tolist() == [2, 3, *first, 4, 2, 3, *[place["X"]] * 3, 4]


def test_what_it_does_not_know_becomes_its_x_else_its_token_for_that() -> None:
    assert read_letters(Letters(AMINO + "X", None), "here").ids[ord("U")] == 10 + 20
    without_x = read_letters(Letters(AMINO + "U"), "here")
    assert [int(without_x.ids[ord(letter)]) for letter in "XZUA"] == [1, 1, 10 + 20, 10]
    with pytest.raises(WeightsError, match="'here' knows neither X nor a token"):
        read_letters(Letters(AMINO, None), "here")


@pytest.mark.parametrize(
    ("tokenizer", "reason"),
    [
        (Letters(AMINO[:-1]), "gives 20 tokens for 20 residues"),  # two are the same, unknown
        (Letters(AMINO[:-1], None), "gives 19 tokens for 20 residues"),
        (Letters(change=lambda ids, special: ids[::2]), "gives 10 tokens for 20 residues"),
        (Letters(change=lambda ids, special: ids[::-1] if special else ids), "changes a sequence"),
        (
            Letters(change=lambda ids, special: [a for a, b in zip(ids, [0, *ids], strict=False)
                                                 if a != b]),
            "otherwise than letter by letter",
        ),  # a run becomes one token
        (
            Letters(change=lambda ids, special: sorted(ids) if len(ids) == 20 else ids[:3]),
            "otherwise than letter by letter",
        ),
    ],
)  # fmt: skip
def test_what_would_shift_or_merge_residues_is_refused(tokenizer: Letters, reason: str) -> None:
    with pytest.raises(WeightsError, match=reason):
        read_letters(tokenizer, "here")


def test_padded_tokens_are_real_where_the_mask_says() -> None:
    ids = torch.arange(128).to(torch.int32).numpy()
    batch = Tokeniser(ids, (1,), (2,)).pack(["MKV", "A"], torch.device("cpu"))
    padded, mask = pad(batch)
    assert padded.dtype == mask.dtype == torch.int64
    assert padded.tolist() == [[1, 77, 75, 86, 2], [1, 65, 2, 0, 0]]
    assert mask.tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert torch.equal(padded[mask.bool()], batch.ids.long())


def test_memory_and_operations_of_a_plain_transformer() -> None:
    from sesstore.encoders.transformers_folder import TransformersFolder

    encoder = SimpleNamespace(
        spec=SimpleNamespace(layers=3, heads=4), dim=48, window=500, dtype=torch.float16
    )
    products = TransformersFolder.flops(encoder, 98)  # type: ignore[arg-type]
    assert products == 3 * (24 * 100 * 48 * 48 + 4 * 100 * 100 * 48)
    for window, scores in ((500, 500), (2000, 1024), (None, 0)):
        encoder.window = window
        memory = TransformersFolder.bytes_per_residue(encoder)  # type: ignore[arg-type]
        assert memory == ((3 + 17) * 48 + 2 * 4 * scores) * 2
