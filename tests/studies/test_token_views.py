from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sesstore.errors import InputError
from sesstore.proteins import digest_of
from sesstore.provenance import circumstances
from sesstore.residues import StructureTokens
from sesstore.store import Tokens
from sesstore.studies.jitter import HeldTokens
from sesstore.studies.token_views import CONTROLS, agreement, first_conformer, noisy

DIGESTS = [digest_of(text * 400) for text in ("AC", "DE")]


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    rng = np.random.default_rng(2)
    made = Tokens(tmp_path_factory.mktemp("tokens") / "pdb.lmdb")
    foldseek = rng.integers(0, 21, (3, 800)).astype(np.uint8)
    dssp = rng.integers(0, 9, (1, 800)).astype(np.uint8)
    codes = [{"foldseek": foldseek, "dssp": dssp}, {"dssp": dssp}]
    items = [StructureTokens(d, "pdb", c) for d, c in zip(DIGESTS, codes, strict=True)]
    made.add(items, circumstances())
    return made


@settings(max_examples=settings.default.max_examples // 10)
@given(rate=st.floats(0, 1), seed=st.integers(0, 9))
def test_noise_hits_its_share_and_nothing_masked(tokens: Tokens, rate: float, seed: int) -> None:
    view = noisy(tokens, rate, seed)
    for digest in DIGESTS:
        before, (after,) = tokens.get(digest), view.get_all([digest])
        assert before is not None
        assert after is not None
        for name, codes in before.codes.items():
            mask = {"foldseek": 20, "dssp": 8}[name]
            changed, open_ = after.codes[name] != codes, codes != mask
            assert not (changed & ~open_).any()
            assert (after.codes[name][open_] != mask).all()
            # A letter is drawn again with chance 1 / letters.
            share, count = rate * (1 - 1 / mask), int(open_.sum())
            wide = 5 * np.sqrt(share * (1 - share) / count) + 1e-9
            assert abs(changed[open_].mean() - share) <= wide


def test_noise_depends_on_seed_and_protein_only(tokens: Tokens) -> None:
    both = noisy(tokens, 0.5).get_all(DIGESTS)
    (alone,) = noisy(tokens, 0.5).get_all(DIGESTS[1:])
    (other,) = noisy(tokens, 0.5, seed=1).get_all(DIGESTS[1:])
    assert both[1] is not None
    assert alone is not None
    assert other is not None
    assert both[0] is not None
    np.testing.assert_array_equal(both[1].codes["dssp"], alone.codes["dssp"])
    assert (both[0].codes["dssp"] != both[1].codes["dssp"]).any()  # the same before
    assert (other.codes["dssp"] != alone.codes["dssp"]).any()


def test_controls_keep_shape_and_tell_nothing_of_place(tokens: Tokens) -> None:
    masks = {"foldseek": 20, "dssp": 8}
    views = {name: control(tokens) for name, control in CONTROLS.items()}
    for digest in DIGESTS:
        before = tokens.get(digest)
        assert before is not None
        after = {name: view.get_all([digest])[0] for name, view in views.items()}
        for alphabet, codes in before.codes.items():
            own = {name: item.codes[alphabet] for name, item in after.items() if item is not None}
            assert all(
                item.shape == codes.shape and item.dtype == codes.dtype for item in own.values()
            )
            assert (own["masked"] == masks[alphabet]).all()
            assert ((own["constant"] == 0) | (codes == masks[alphabet])).all()
            assert ((own["constant"] == masks[alphabet]) == (codes == masks[alphabet])).all()
            np.testing.assert_array_equal(np.sort(own["shuffled"]), np.sort(codes))
            assert (own["shuffled"] != codes).mean() > 0.5
    both, (again,) = views["shuffled"].get_all(DIGESTS), views["shuffled"].get_all(DIGESTS[1:])
    assert both[1] is not None
    assert again is not None
    np.testing.assert_array_equal(both[1].codes["dssp"], again.codes["dssp"])
    # One order for all alphabets: what stood at a residue stands together still.
    whole, moved = tokens.get(DIGESTS[0]), both[0]
    assert whole is not None
    assert moved is not None
    pairs = [np.unique(np.stack([c.codes["foldseek"][0], c.codes["dssp"][0]]), axis=1,
                       return_counts=True) for c in (whole, moved)]  # fmt: skip
    np.testing.assert_array_equal(pairs[0][0], pairs[1][0])
    np.testing.assert_array_equal(pairs[0][1], pairs[1][1])
    assert {name: view.source for name, view in views.items()} == {
        name: f"pdb, {name}" for name in CONTROLS
    }


def test_views_are_named_and_leave_the_store_alone(tokens: Tokens) -> None:
    before = tokens.get(DIGESTS[0])
    assert noisy(tokens, 0.25).source == "pdb, noise 0.25"
    one = first_conformer(tokens)
    assert one.source == "pdb, first conformer"
    (found,) = one.get_all(DIGESTS[:1])
    assert found is not None
    assert before is not None
    assert found.codes["foldseek"].shape == (1, 800)
    np.testing.assert_array_equal(found.codes["foldseek"][0], before.codes["foldseek"][0])
    assert one.get_all([bytes(32)]) == [None]
    with pytest.raises(InputError, match="share from 0 to 1"):
        noisy(tokens, 1.5)


def test_views_are_made_of_any_path(tmp_path: Path) -> None:
    assert noisy(Tokens(tmp_path / "none.lmdb"), 0.5).get_all(DIGESTS) == [None, None]


def test_views_have_what_they_change_and_nothing_else(tokens: Tokens) -> None:
    """What a view inherited would be of the tokens behind it: coverage, counts, iteration."""
    for view in (noisy(tokens, 0.5), HeldTokens("held", {})):
        public = {name for name in dir(view) if not name.startswith("_")}
        assert public == {"source", "get_all"}
    assert len(HeldTokens("held", {})) == 0


def test_agreement_counts_residues_with_letters_in_both_sources() -> None:
    def rows(source: str, *proteins: dict[str, list[list[int]]]) -> HeldTokens:
        return HeldTokens(
            source,
            {
                digest: StructureTokens(
                    digest, source, {n: np.array(c, np.uint8) for n, c in codes.items()}
                )
                for digest, codes in zip(digests, proteins, strict=False)
            },
        )

    digests = [digest_of(text) for text in ("ACDE", "FG", "HI")]
    models = rows(
        "models",
        {"foldseek": [[1, 2, 20, 4], [9, 9, 9, 9]], "dssp": [[0, 0, 1, 8]]},
        {"foldseek": [[7, 7]]},
        {"dssp": [[1, 1]]},
    )
    rivals = {"foldseek": [[1, 3, 3, 4]], "dssp": [[0, 1, 1, 8]]}
    others = rows("others", rivals, {"dssp": [[2, 2]]})
    assert agreement(models, others, digests) == {"dssp": (2, 3), "foldseek": (2, 3)}
    assert agreement(models, others, digests[1:]) == {}
