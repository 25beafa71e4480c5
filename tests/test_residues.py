from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sesstore.errors import InputError
from sesstore.proteins import Protein, digest_of
from sesstore.residues import Embedding, StructureTokens, check_length, is_finite, to_storage

DIGEST = digest_of("MKT")


def test_one_row_a_residue_is_checked() -> None:
    check_length(Protein("p", "MKT"), 3, "embedding")
    with pytest.raises(InputError, match="embedding of 'p' has 5 rows, its sequence 3 residues"):
        check_length(Protein("p", "MKT"), 5, "embedding")


@pytest.mark.parametrize(
    ("digest", "values", "scales"),
    [
        (b"short", np.zeros((3, 4), np.float16), None),
        (DIGEST, np.zeros(3, np.float16), None),
        (DIGEST, np.zeros((0, 4), np.float16), None),
        (DIGEST, np.zeros((3, 4), np.int8), None),
        (DIGEST, np.zeros((3, 4), np.float16), np.ones(3, np.float16)),
        (DIGEST, np.zeros((3, 4), np.int8), np.ones(2, np.float16)),
    ],
)
def test_misshapen_embeddings_are_refused(digest, values, scales) -> None:
    with pytest.raises(InputError):
        Embedding(digest, values, scales)


def test_tokens_of_one_structure_become_one_conformer() -> None:
    tokens = StructureTokens(DIGEST, "pdb", {"foldseek": np.array([0, 1, 20], np.uint8)})
    assert tokens.codes["foldseek"].shape == (1, 3)
    assert len(tokens) == 3


@pytest.mark.parametrize(
    "codes",
    [
        {"foldseek": np.zeros(3, np.uint8), "dssp": np.zeros(4, np.uint8)},
        {"dssp": np.array([0, 9, 0], np.uint8)},
        {"dssp": np.zeros(0, np.uint8)},
        {},
    ],
)
def test_tokens_of_unequal_length_or_unknown_code_are_refused(codes) -> None:
    with pytest.raises(InputError):
        StructureTokens(DIGEST, "pdb", codes)


values = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.integers(1, 5)),
    elements=st.floats(-1000, 1000, width=32),
)


@given(values)
def test_int8_is_within_half_a_step_of_every_value(values: np.ndarray) -> None:
    stored = to_storage(Embedding(DIGEST, values), "int8")
    assert stored.scales is not None
    scales = stored.scales.astype(np.float32)[:, None]
    # float16 rounds a scale by at most 1/2048, which 127 steps magnify.
    assert (np.abs(stored.values * scales - values) <= scales * (0.5 + 127 / 2048) + 1e-6).all()


@given(values)
def test_float16_and_float32_are_the_nearest_values(values: np.ndarray) -> None:
    assert to_storage(Embedding(DIGEST, values), "float32").values is values
    halves = to_storage(Embedding(DIGEST, values), "float16").values
    assert np.array_equal(halves, values.astype(np.float16))


def with_a_value(value: float, dtype: str) -> Embedding:
    values = np.ones((50, 40), dtype)
    values[31, 7] = value
    return Embedding(DIGEST, values)


@pytest.mark.parametrize("dtype", ["float16", "int8"])
@pytest.mark.parametrize("value", [1e9, -1e9])
def test_what_the_type_cannot_hold_is_refused(dtype: str, value: float) -> None:
    with pytest.raises(InputError, match="--dtype float32"):
        to_storage(with_a_value(value, "float32"), dtype)


@pytest.mark.parametrize("source", ["float16", "float32"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "int8"])
@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_in_any_type(source: str, dtype: str, value: float) -> None:
    with pytest.raises(InputError, match="not finite"):
        to_storage(with_a_value(value, source), dtype)


def test_every_half_is_told_finite_or_not() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    for half, expected in zip(halves, np.isfinite(halves), strict=True):
        assert is_finite(half[None]) == expected


@given(hnp.arrays(np.uint32, st.integers(0, 5)))
def test_floats_of_any_bits_are_told_finite_or_not(bits: np.ndarray) -> None:
    assert is_finite(bits.view(np.float32)) == np.isfinite(bits.view(np.float32)).all()


@given(values)
def test_codes_of_int8_need_no_clipping(values: np.ndarray) -> None:
    stored = to_storage(Embedding(DIGEST, values), "int8")
    assert stored.scales is not None
    whole = np.rint(values / stored.scales.astype(np.float32)[:, None])
    np.testing.assert_array_equal(stored.values, whole.clip(-127, 127))
    assert to_storage(stored, "int8") is stored


def test_an_unknown_storage_type_is_refused() -> None:
    with pytest.raises(InputError, match="float8"):
        to_storage(Embedding(DIGEST, np.zeros((1, 1), np.float32)), "float8")


@pytest.mark.parametrize("length", [1, 7])
def test_tokens_of_plddt_alone_have_a_length(length: int) -> None:
    plddt = np.full(length, 80, np.uint8)
    assert len(StructureTokens(DIGEST, "pdb", {}, plddt)) == length


def test_tokens_are_as_stored_else_as_they_follow_else_none() -> None:
    dssp = np.array([0, 2, 7, 8], np.uint8)
    tokens = StructureTokens(DIGEST, "pdb", {"dssp": dssp})
    derived = tokens.in_alphabet("ss3")
    assert derived is not None
    assert derived.tolist() == [[0, 1, 2, 3]]
    own = StructureTokens(DIGEST, "pdb", {"dssp": dssp, "ss3": np.array([2, 2, 2, 2], np.uint8)})
    assert own.in_alphabet("ss3") is own.codes["ss3"]
    assert tokens.in_alphabet("foldseek") is tokens.in_alphabet("esm3") is None


def test_residues_below_the_threshold_are_masked_in_every_conformer() -> None:
    codes = {"foldseek": np.array([[1, 2, 3], [4, 5, 6]], np.uint8)}
    codes |= {"esm3": np.array([7, 8, 9], np.uint16)}
    tokens = StructureTokens(DIGEST, "pdb", codes, np.array([69, 70, 71], np.uint8))

    def confident(threshold: int, name: str = "foldseek") -> list[list[int]] | None:
        values = tokens.confident(name, threshold)
        return None if values is None else values.tolist()

    assert confident(70) == [[20, 2, 3], [20, 5, 6]]
    assert confident(0) == [[1, 2, 3], [4, 5, 6]]
    assert confident(100, "esm3") == [[4096] * 3]
    wide = tokens.confident("esm3", 70)
    assert wide is not None
    assert wide.dtype == np.uint16
    assert confident(70, "dssp") is None
    unscored = StructureTokens(DIGEST, "pdb", codes).confident("foldseek", 70)
    assert unscored is not None
    assert unscored.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_scores_are_one_a_residue() -> None:
    with pytest.raises(InputError, match=r"one length, got \[2, 3\]"):
        StructureTokens(DIGEST, "pdb", {"dssp": np.zeros(3, np.uint8)}, np.zeros(2, np.uint8))
    with pytest.raises(InputError, match="32 bytes, got 5"):
        StructureTokens(b"short", "pdb", {"dssp": np.zeros(3, np.uint8)})


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8"])
def test_a_stored_embedding_is_of_the_same_protein_and_layer(dtype: str) -> None:
    embedding = Embedding(DIGEST, np.array([[1.5, -254], [0, 0]], np.float32), output=2)
    stored = to_storage(embedding, dtype)
    assert (stored.digest, stored.output, stored.values.dtype) == (DIGEST, 2, np.dtype(dtype))
    if stored.scales is not None:
        assert stored.scales.tolist() == [2, np.float16(6.2e-5)]
        assert stored.values.tolist() == [[1, -127], [0, 0]]
        assert len(stored) == 2
