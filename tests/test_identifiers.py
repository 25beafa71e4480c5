"""Names taken apart: the spellings of data banks, mirrors and tools."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.identifiers import folded, identify


@pytest.mark.parametrize(
    ("name", "identity", "qualifier"),
    [
        ("sp|P00698|LYSC_CHICK Lysozyme C OS=Gallus gallus", "P00698", ""),
        (">tr|A0A024R1R8|A0A024R1R8_HUMAN", "A0A024R1R8", ""),
        ("sp_P00698_LYSC_CHICK", "P00698", ""),
        ("sp_P00698_LYSC_CHICK_Lysozyme_C_OS_Gallus_gallus", "P00698", ""),
        ("sp|P00698-2|LYSC_CHICK Isoform 2", "P00698-2", ""),
        ("sp|Q9|MADE_UP", "Q9", ""),
        ("P00698|LYSC_CHICK", "P00698", ""),
        ("UniProtKB:P00698", "P00698", ""),
        ("UniRef90_P00698", "P00698", ""),
        ("UniRef50_UPI0000123456", "UPI0000123456", ""),
        ("P00698.2", "P00698", "2"),
        ("p00698", "P00698", ""),
        ("AF-P00698-F1-model_v6.cif.gz", "P00698", ""),
        ("AF-P00698-F1-model_v4_A", "P00698", ""),
        ("AF-P00698-F1-v6.cif", "P00698", ""),
        ("AF-P00698-2-F1-model_v4", "P00698-2", ""),
        ("AFDB:AF-P00698-F1 Lysozyme", "P00698", ""),
        ("AF_AFP00698F1", "P00698", ""),
        ("ref|NP_000537.3|", "NP_000537", "3"),
        ("NP_000537_3", "NP_000537", "3"),
        ("gi|4557757|ref|NP_000240.1| DNA mismatch repair", "NP_000240", "1"),
        ("gb|AAA98665.1|", "AAA98665", "1"),
        ("ENSP00000269305.4", "ENSP00000269305", "4"),
        ("1AKI_A", "1aki_A", ""),
        ("1aki.a", "1aki_a", ""),
        ("1akiA", "1aki_A", ""),
        ("1aki-AB", "1aki_AB", ""),
        ("1AKI:A|PDBID|CHAIN|SEQUENCE", "1aki_A", ""),
        ("pdb|1AKI|A", "1aki_A", ""),
        ("pdb_00001aki_A", "1aki_A", ""),
        ("pdb1aki.ent.gz", "1aki", ""),
        ("1aki-assembly1.cif.gz", "1aki", ""),
        ("1aki-assembly1_A-2", "1aki_A", ""),
        ("1aki.pdb1.gz", "1aki", ""),
        ("1AKI_1|Chain A|LYSOZYME|Gallus gallus (9031)", "1aki", ""),
        ("variant 7", "variant", "7"),
        ("lcl|variant", "variant", ""),
        ("'quoted'", "quoted", ""),
    ],
)
def test_what_names_identify(name: str, identity: str, qualifier: str) -> None:
    part = identify(name)
    assert (part.identity, part.qualifier) == (identity, qualifier)


@pytest.mark.parametrize(
    "name",
    [
        "P00698/12-60",  # a range, in all its spellings
        "P00698_12-60",
        "sp|P00698|LYSC_CHICK/12-60",
        "sp_P00698_LYSC_CHICK_12-60",
        "AF-P00698-F2-model_v4",  # a later fragment
        "AF-P00698-F1-model_v4_TED01",  # a domain
        "1akiA00",
        "P00698_2",  # no version: UniProt has no underscore
        "seq00001_2",
        "MyAF-P00698-F1",
        "P0069",
        "P006981",
        "1234",
        "2024_05",
    ],
)
def test_what_only_contains_a_name_is_itself(name: str) -> None:
    assert identify(name).identity == name
    assert identify(name).kin == ""


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("sp|P00698|LYSC_CHICK", "LYSC_CHICK"),
        ("P00698_unrelaxed_rank_001_alphafold2_ptm_model_3_seed_000.pdb", "P00698"),
        ("mutant_relaxed_model_1_ptm_pred_0.pdb", "mutant"),
        ("fold_mutant_model_0.cif", "mutant"),
        ("mutant_seed-1_sample-0_model.cif", "mutant"),
        ("mutant_model_0.cif", "mutant"),
        ("1aki_updated.cif", "1aki"),
    ],
)
def test_aliases(name: str, alias: str) -> None:
    assert identify(name).aliases == (alias,)


def test_an_isoform_has_no_alias_of_its_protein() -> None:
    assert identify("sp|P00698-2|LYSC_CHICK").aliases == ()
    assert identify("sp|P00698-2|LYSC_CHICK").kin == identify("P00698").kin


@given(st.text(max_size=40))
def test_any_text_is_a_name(text: str) -> None:
    part = identify(text)
    assert part.text == text.strip()
    assert folded(part.identity).isascii()


@pytest.mark.parametrize(
    ("name", "identity", "qualifier", "kin"),
    [
        ("sp|P00698.3|LYSC_CHICK", "P00698", "3", "P00698"),
        ("sp|p00698-2|LYSC_CHICK", "P00698-2", "", "P00698"),
        ("P00698-2.4", "P00698-2", "4", "P00698"),
        ("uniref100_P00698", "P00698", "", "P00698"),
        ("UniProtKB/Swiss-Prot:P00698", "P00698", "", "P00698"),
        ("emb|CAA12345.2| a protein", "CAA12345", "2", "CAA12345"),
        ("WP_003246.1", "WP_003246", "1", "WP_003246"),
        ("AF-Q9-F1", "Q9", "", "Q9"),
        ("1aki_A", "1aki_A", "", "1aki"),
        ("1aki_AB", "1aki_AB", "", "1aki"),
        ("1aki_ABC", "1aki_ABC", "", ""),  # rarely a chain
        ("1AKI", "1aki", "", "1aki"),
        ("anything else", "anything", "else", ""),
        ("lone", "lone", "", ""),
    ],
)
def test_versions_and_what_relatives_share(
    name: str, identity: str, qualifier: str, kin: str
) -> None:
    part = identify(name)
    assert (part.identity, part.qualifier, part.kin) == (identity, qualifier, kin)


@pytest.mark.parametrize(
    ("name", "chainless"),
    [("1aki", True), ("pdb1aki.ent.gz", True), ("1AKI_1|Chain A|X", True), ("1aki_A", False),
     ("1akiA", False), ("P00698", False), ("word", False)],
)  # fmt: skip
def test_an_entry_without_a_chain_is_told(name: str, chainless: bool) -> None:
    assert identify(name).chainless == chainless


@pytest.mark.parametrize("packed", ["", ".gz", ".XZ", ".bz2", ".zst"])
@pytest.mark.parametrize(
    "suffix",
    ["pdb", "PDB2", "pdbqt", "ent", "cif", "mmcif", "bcif", "fcz", "dssp", "fasta", "faa", "fa",
     "npy", "npz", "pt", "h5"],
)  # fmt: skip
def test_endings_of_files_are_no_part_of_a_name(suffix: str, packed: str) -> None:
    assert identify(f"mine.{suffix}{packed}").identity == "mine"


def test_what_is_nothing_but_an_origin_is_a_name() -> None:
    assert identify("UniRef90_").identity == "UniRef90_"
    assert identify("pdb:").identity == "pdb:"


def test_other_endings_are_part_of_a_name() -> None:
    assert identify("mine.txt").identity == "mine.txt"
    assert identify("mine.gz.pdb").identity == "mine.gz"


def test_a_description_is_folded_and_tools_signs_are_too() -> None:
    assert identify("> x  The Third/one ").qualifier == folded("The Third/one") == "the_third_one"
    assert folded("A|b.C-d") == "a_b_c-d"
