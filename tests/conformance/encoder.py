"""What every encoder must pass: inherit `EncoderConformance` and give it a `load` method.

The contract: one row a residue and nothing else, finite float values, the same numbers whatever the
batch mates (to `tolerance`, relative to the largest value of the protein), proteins of any length,
odd letters one row each, and a fingerprint that is stable and names the settings.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from sesstore.encoders.base import Encoder
from sesstore.proteins import Protein

LETTERS = "ACDEFGHIKLMNPQRSTVWY"


def random_proteins(lengths: Sequence[int], seed: int = 0) -> list[Protein]:
    """Return proteins of those lengths with random letters."""
    rng = np.random.default_rng(seed)
    return [Protein(f"p{i}", "".join(rng.choice(list(LETTERS), n))) for i, n in enumerate(lengths)]


def encoded(encoder: Encoder, proteins: Sequence[Protein]) -> dict[bytes, np.ndarray]:
    """Values of each protein by digest."""
    return {e.digest: e.values for e in encoder.encode(proteins)}


class EncoderConformance:
    """Tests of one encoder."""

    tolerance = 1e-5
    """Largest difference that batch mates may make, relative to the protein's largest value."""

    def load(self, long: str = "windows") -> Encoder:
        """Make the encoder under test ready."""
        raise NotImplementedError

    @pytest.fixture
    def encoder(self) -> Encoder:
        return self.load()

    def test_one_row_a_residue(self, encoder: Encoder) -> None:
        proteins = random_proteins([1, 2, 7, 60, 33])
        values = encoded(encoder, proteins)
        assert {p.digest for p in proteins} == set(values)
        for protein in proteins:
            assert values[protein.digest].shape == (len(protein), encoder.dim)

    def test_values_are_finite_floats(self, encoder: Encoder) -> None:
        for values in encoded(encoder, random_proteins([5, 41])).values():
            assert values.dtype in (np.float16, np.float32)
            assert np.isfinite(values).all()
            assert np.abs(values).max() > 0

    def test_batch_mates_make_no_difference(self, encoder: Encoder) -> None:
        proteins = random_proteins([3, 120, 48, 17, 301, 48, 1], seed=3)
        together = encoded(encoder, proteins)
        for protein in proteins:
            alone = encoded(encoder, [protein])[protein.digest]
            worst = np.abs(alone - together[protein.digest]).max() / np.abs(alone).max()
            assert worst <= self.tolerance

    def test_order_makes_no_difference(self, encoder: Encoder) -> None:
        proteins = random_proteins([9, 80, 31], seed=4)
        one, other = encoded(encoder, proteins), encoded(encoder, proteins[::-1])
        for digest, values in one.items():
            np.testing.assert_allclose(
                values, other[digest], atol=self.tolerance * np.abs(values).max()
            )

    def test_odd_letters_have_one_row_each(self, encoder: Encoder) -> None:
        odd = Protein("odd", "MXXXXUZOBJXK")
        plain = Protein("runs", "XXXXXX")
        for protein, values in zip((odd, plain), _each(encoder, (odd, plain)), strict=True):
            assert values.shape == (len(protein), encoder.dim)
            assert np.isfinite(values).all()

    def test_beyond_the_window(self, encoder: Encoder) -> None:
        length = 2 * (encoder.window or 300) + 37
        (protein,) = random_proteins([length], seed=5)
        (values,) = _each(encoder, [protein])
        assert values.shape == (length, encoder.dim)
        assert np.isfinite(values).all()
        assert (np.abs(values).max(1) > 0).all()

    def test_nterm_marks_the_rest_with_zeros(self) -> None:
        encoder = self.load("nterm")
        window = encoder.window
        if window is None:
            pytest.skip("this encoder has no window")
        (protein,) = random_proteins([window + 40], seed=6)
        (values,) = _each(encoder, [protein])
        assert len(values) == window + 40
        assert (np.abs(values[:window]).max(1) > 0).all()
        assert not values[window:].any()

    def test_short_proteins_ignore_the_policy(self, encoder: Encoder) -> None:
        (protein,) = random_proteins([50], seed=7)
        (one,), (other,) = _each(encoder, [protein]), _each(self.load("nterm"), [protein])
        np.testing.assert_array_equal(one, other)

    def test_fingerprint_is_stable_and_tells_settings_apart(self, encoder: Encoder) -> None:
        assert encoder.fingerprint == self.load().fingerprint
        assert len(encoder.fingerprint.weights_sha256) == 64
        assert encoder.fingerprint.residue_mapping
        other = self.load("nterm").fingerprint
        assert (other == encoder.fingerprint) == (encoder.window is None)

    def test_it_says_what_it_is(self, encoder: Encoder) -> None:
        assert encoder.name
        assert encoder.full_name
        assert encoder.licence
        assert encoder.flops(10) <= encoder.flops(20)

    def test_nothing_asked_nothing_given(self, encoder: Encoder) -> None:
        assert list(encoder.encode([])) == []


def _each(encoder: Encoder, proteins: Sequence[Protein]) -> list[np.ndarray]:
    values = encoded(encoder, proteins)
    return [values[protein.digest] for protein in proteins]
