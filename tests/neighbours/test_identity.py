from __future__ import annotations

import pytest

from sesstore.neighbours import identity
from sesstore.neighbours.identity import align_identity

UBIQUITIN = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"


def test_one_exchange_and_a_deletion_are_counted() -> None:
    assert align_identity(UBIQUITIN, UBIQUITIN) == identity.Identity(1.0, 1.0)
    pair = align_identity(UBIQUITIN, UBIQUITIN.replace("KIQDK", "KIWDK"))
    assert (pair.identity, pair.coverage) == (75 / 76, 1.0)
    pair = align_identity(UBIQUITIN, UBIQUITIN[10:])
    assert (pair.identity, pair.coverage) == (1.0, 66 / 76)


def test_it_agrees_with_biopython() -> None:
    align = pytest.importorskip("Bio.Align")
    aligner = align.PairwiseAligner(
        mode="global", open_gap_score=-10, extend_gap_score=-1, end_gap_score=0
    )
    aligner.substitution_matrix = align.substitution_matrices.load("BLOSUM62")
    other = "MLIKVKTLTGKEIEIDIEPTDKVERIKERVEEKEGIPPQQQRLIYSGKQMNDEKTAADYKILGGSVLHLVLALRGG"  # NEDD8
    counts = aligner.align(UBIQUITIN, other)[0].counts()
    pair = align_identity(UBIQUITIN, other)
    assert pair.identity == pytest.approx(
        counts.identities / (counts.identities + counts.mismatches)
    )
    assert 0.5 < pair.identity < 0.65  # 58 % in the literature


def test_rare_letters_align_and_giants_do_not(monkeypatch) -> None:
    assert align_identity("MKUVLA", "MKUVLAG").identity == 1.0
    monkeypatch.setattr(identity, "MOST_CELLS", 10)
    assert align_identity("MKVLA", "MKVLG") is None


@pytest.mark.parametrize(("cells", "aligned"), [(25, True), (24, False)])
def test_a_pair_may_be_just_as_large(monkeypatch, cells: int, aligned: bool) -> None:
    monkeypatch.setattr(identity, "MOST_CELLS", cells)
    assert (align_identity("MKVLA", "MKVLG") is not None) is aligned


@pytest.mark.parametrize(("rare", "standard"), [("U", "C"), ("O", "K"), ("J", "L")])
def test_a_rare_letter_aligns_as_its_nearest_and_equals_itself_alone(rare, standard) -> None:
    query = f"MWV{rare}HGAY"
    assert align_identity(query, query[1:]).identity == 1.0
    other = align_identity(query, query.replace(rare, standard))
    assert (other.identity, other.coverage) == (7 / 8, 1.0)


def test_coverage_is_of_the_longer_whichever_it_is() -> None:
    for pair in ((UBIQUITIN, UBIQUITIN[10:]), (UBIQUITIN[10:], UBIQUITIN)):
        assert align_identity(*pair) == identity.Identity(1.0, 66 / 76)
    assert align_identity("WWW", "GGGG").identity == 0.0
