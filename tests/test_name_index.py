"""Names that meet, and names that must not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.name_index import KnownProteins, NameIndex
from sesstore.proteins import Protein, digest_of

LETTERS = "ACDEFGHIKLMNPQRSTVWY"


def proteins(*names: str) -> list[Protein]:
    """One protein a name, each with a sequence of its own."""
    return [Protein(name, LETTERS[: i + 1]) for i, name in enumerate(names)]


def met(name: str, *known: str, **options: bool) -> str | None:
    protein = KnownProteins(proteins(*known)).find([name], **options)
    return protein and protein.id


UNIPROT = "sp|P12345|ABC_HUMAN Protein of three letters"


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("P12345", UNIPROT),
        (UNIPROT, "P12345"),
        ("AF-P12345-F1-model_v6", UNIPROT),
        ("ABC_HUMAN", UNIPROT),
        ("abc_human", UNIPROT),
        (UNIPROT, "ABC_HUMAN"),
        ("UniRef90_P12345", "P12345.1"),
        ("tr|P12345-2|ABC_HUMAN", "P12345-2"),
        ("NP_000537", "NP_000537.3"),
        ("NP_000537_3", "NP_000537.3"),
        ("A0A1_12-60", "A0A1/12-60"),
        ("4MT2_B_x", "4MT2.B_x"),
        ("sp_Q9_MADE_UP", "sp|Q9|MADE_UP"),
        ("PLAIN", "plain"),
        ("plain of a thing", "plain"),
        ("1AKI_A", "1aki_a"),
        ("1aki.A", "1AKI_A"),
        ("pdb1aki", "1AKI"),
        ("mutant_unrelaxed_rank_001_x", "Mutant"),
    ],
)
def test_names_meet(name: str, known: str) -> None:
    assert met(name, "other", known) == known


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("P1234", "P12345"),
        ("P12345", "P1234"),
        ("P12345", "P12345-2"),
        ("P12345-2", UNIPROT),
        ("P12345.1", "P12345.2"),
        ("sp|P12345.3|X", "P12345.2"),
        ("P12345/12-60", UNIPROT),
        ("AF-P12345-F2-model_v4", "P12345"),
        ("1aki_A", "1aki_B"),
        ("1aki_A", "1aki"),
        ("variant 1", "variant 2"),
        ("sp|P99999|ABC_HUMAN", UNIPROT),
        ("mutant_model_0", "mutant_model_1"),
        ("", "x"),
    ],
)
def test_names_do_not_meet(name: str, known: str) -> None:
    assert met(name, known) is None


def test_what_fits_several_is_refused_and_said() -> None:
    known = proteins("P12345.1", "P12345.2", "a.b", "a/b")
    book = KnownProteins(known)
    assert book.find(["P12345"]) is None
    assert book.find(["a_b"]) is None
    assert book.find(["a.b"]) == known[2]
    assert book.find(["P12345.2"]) == known[1]
    by_digest = {protein.digest: protein.id for protein in known}
    assert "several" in book.index.reason(["a_b"], by_digest.__getitem__)
    assert "P12345.1" in book.index.reason(["P12345-3"], by_digest.__getitem__)
    assert book.index.reason(["zzz"], by_digest.__getitem__) == "no known protein has this name"


def test_several_names_of_one_sequence_are_no_conflict() -> None:
    book = KnownProteins([Protein("sp|P12345|ABC_HUMAN", "MKV"), Protein("P12345", "MKV")])
    protein = book.find(["AF-P12345-F1-model_v4"])
    assert protein is not None
    assert protein.sequence == "MKV"


def test_the_surest_rule_decides_over_all_names() -> None:
    known = proteins("1aki_A", "1aki_a", "1AKI")
    assert KnownProteins(known).find(["1aki", "1aki_a"]) == known[1]


def test_a_chain_whose_twin_differs_in_case_is_not_folded() -> None:
    assert met("1aki_A", "1aki_a") == "1aki_a"
    assert met("1aki_A", "1aki_a", fold=False) is None


def test_an_entry_without_chain_is_its_only_known_chain_on_request() -> None:
    assert met("1aki", "1aki_B") is None
    assert met("1aki", "1aki_B", any_chain=True) == "1aki_B"
    assert met("1aki", "1aki_A", "1aki_B", any_chain=True) is None
    assert met("1aki_A", "1aki_B", any_chain=True) is None


@given(st.lists(st.text("P12345/.|_-ab AF", max_size=9), unique=True, min_size=1, max_size=12))
def test_a_known_name_always_finds_itself(names: list[str]) -> None:
    stripped = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    known = proteins(*stripped)
    book = KnownProteins(known)
    assert [book.find([protein.id]) for protein in known] == known


def test_an_index_of_many_names_is_small() -> None:
    def names():
        for i in range(20_000):
            yield f"sp|P{i:05d}|N{i}_HUMAN", i.to_bytes(32, "big")

    index = NameIndex(names())
    arrays = [array for array in vars(index).values() if isinstance(array, np.ndarray)]
    assert sum(array.nbytes for array in arrays) < 20_000 * 200
    assert index.find(["AF-P00077-F1-model_v4"]) == [(77).to_bytes(32, "big")]
    assert index.find(["AF-P00077-F1-model_v4", "zz"]) != [digest_of("M")]


def test_the_best_name_that_any_protein_has_decides() -> None:
    known = proteins("a", "b")
    book = KnownProteins(known)
    assert book.find(["b", "a"]) == known[1]
    assert book.find([" ", "zzz", "a", "b"]) == known[0]


def test_a_name_without_a_version_stands_in_for_any_but_not_a_name_of_another() -> None:
    assert met("P12345.2", "P12345") == "P12345"
    assert met("P12345.2", "P12345", "P12345.2") == "P12345.2"
    assert met("P12345.2", "P12345.1", "P12345") == "P12345"


@pytest.mark.parametrize(
    ("name", "known"),
    [("plain", "PLAIN"), ("A0A1_12-60", "A0A1/12-60"), ("ABC_HUMAN", UNIPROT),
     (UNIPROT, "ABC_HUMAN")],
)  # fmt: skip
def test_case_signs_and_aliases_count_only_where_folding_is_wanted(name: str, known: str) -> None:
    assert met(name, known) == known
    assert met(name, known, fold=False) is None


def test_of_several_names_only_the_best_may_leave_its_chain_open() -> None:
    known = proteins("1aki_B")
    book = KnownProteins(known)
    assert book.find(["1aki", "x"], any_chain=True) == known[0]
    assert book.find(["x", "1aki"], any_chain=True) is None
    by_digest = {protein.digest: protein.id for protein in known}
    said = book.index.reason(["1aki"], by_digest.__getitem__)
    assert said == "no known protein has this name, but another isoform, version or chain: 1aki_B"
    assert book.index.find(["1aki"]) == []
    both = KnownProteins(more := proteins("1aki_A", "1aki_B"))
    names = {protein.digest: protein.id for protein in more}
    assert both.index.reason(["1aki"], names.__getitem__).endswith(
        "version or chain: 1aki_A, 1aki_B"
    )
    assert both.index.reason(["1aki"], names.__getitem__, any_chain=True) == (
        "fits several known proteins: 1aki_A, 1aki_B"
    )


@pytest.mark.parametrize(
    ("count", "end"), [(3, ": s.0, s.1, s.2"), (5, ": s.0, s.1, s.2 and 2 more")]
)
def test_of_many_that_fit_three_are_quoted(count: int, end: str) -> None:
    known = [Protein(f"s.{i}", LETTERS[: i + 1]) for i in range(count)]
    index = NameIndex([("same", protein.digest) for protein in known])
    by_digest = {protein.digest: protein.id for protein in known}
    assert index.find(["same"]) == [protein.digest for protein in known]
    assert index.reason(["same"], by_digest.__getitem__) == f"fits several known proteins{end}"


def test_a_sequence_has_the_id_it_came_with_first() -> None:
    book = KnownProteins([Protein("first", "MKV"), Protein("second", "MKV")])
    for name in ("first", "second"):
        protein = book.find([name])
        assert protein is not None
        assert protein.id == "first"
    assert NameIndex([]).find(["x"]) == []
    nameless = NameIndex([("", digest_of("MKV"))])
    assert nameless.find(["", " ", "x"]) == list(nameless.relatives(["", "x"])) == []
