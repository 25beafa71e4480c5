"""Tokens of other tools into a store: whose they are, what does not fit, what is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.alphabets import DSSP, FOLDSEEK, SS3
from sesstore.errors import InputError, MissingFileError, UnknownNameError
from sesstore.jobs.tokenizing import token_run
from sesstore.jobs.tokenizing.importtokens import FORMATS, import_tokens
from sesstore.proteins import Protein
from sesstore.residues import StructureTokens
from sesstore.store import Store


def states(store: Store, protein: Protein, name: str = "foldseek") -> str:
    found = store.tokens("s").get(protein.digest)
    assert found is not None
    return {"foldseek": FOLDSEEK, "dssp": DSSP}[name].decode(found.codes[name][0])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.tsv"
    path.write_text(
        "AF-P1-F1-model_v4\tMKVLAAGIV\tDVQPLLSDD\n"
        "1abc.cif_A\tKVLAAGIVWT\tDVQPLLSVDD\n"
        "other\tWWWWWWWWWW\tDDDDDDDDDD\n"
    )
    return path


def test_entries_land_on_the_sequence_of_their_name(store: Store, table: Path) -> None:
    stored, given = Protein("P1", "MKVLAAGIV"), Protein("1abc", "MKVLAAGIVWTG")
    store.add_proteins([stored])
    report = import_tokens(store, [table], "s", "foldseek-tsv", sequences=[given])
    assert (report.structures, report.chains, report.failed) == (3, 3, {})
    assert states(store, stored) == "DVQPLLSDD"
    assert states(store, given) == "#DVQPLLSVDD#"
    assert states(store, Protein("other", "W" * 10)) == "D" * 10
    assert store.tokens("s").get(stored.digest).tool == "imported from foldseek-tsv"
    assert report.coverage == pytest.approx(29 / 31)


def test_numbers_land_on_their_sequences(store: Store, tmp_path: Path) -> None:
    store.add_proteins([Protein("P1", "MKVL"), Protein("P2", "MKV")])
    (tmp_path / "codes").mkdir()
    np.savez(tmp_path / "codes" / "t.npz", P1=[4098, 1, 2, 3, 4000, 4097], P2=[1, 2], P3=[1])
    report = import_tokens(store, [tmp_path / "codes"], "s", "codes", alphabet="esm3")
    assert (report.structures, report.chains, len(report.failed)) == (3, 1, 2)
    (found,) = store.tokens("s")
    assert found.codes["esm3"].tolist() == [[1, 2, 3, 4000]]
    assert any("2 tokens, the sequence of 'P2' 3 residues" in r for r in report.failed.values())


def test_the_alphabet_is_named_where_it_is_needed_and_only_there(store: Store, table: Path) -> None:
    with pytest.raises(InputError, match="which alphabet are the tokens of"):
        import_tokens(store, [table], "s", "codes")
    with pytest.raises(InputError, match="Name none"):
        import_tokens(store, [table], "s", "foldseek-tsv", alphabet="dssp")
    with pytest.raises(UnknownNameError, match="Did you mean 'esm3'"):
        import_tokens(store, [table], "s", "codes", alphabet="esm33")


def test_only_known_proteins_on_request(store: Store, table: Path) -> None:
    store.add_proteins([Protein("P1", "MKVLAAGIV")])
    report = import_tokens(store, [table], "s", "foldseek-tsv", only_known=True)
    assert (report.structures, report.chains) == (1, 1)
    assert store.count_proteins() == 1


def test_entries_of_one_name_are_counted_one_by_one(store: Store, table: Path) -> None:
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[2]]) + "\n")
    given = Protein("other", "ACDEFGHIKL")
    report = import_tokens(store, [table], "s", "foldseek-tsv", sequences=[given])
    other = f"{table} entry other"
    assert (report.structures, list(report.failed)) == (4, [other, f"{other} (2)"])
    known = import_tokens(store, [table], "t", "foldseek-tsv", only_known=True, sequences=[given])
    assert len(known.failed) == 2
    store.add_proteins([Protein("P1", "MKVLAAGIV")])
    left_out = import_tokens(store, [table], "u", "foldseek-tsv", only_known=True).unmatched
    assert [name for name in left_out if name.startswith(other)] == [other, f"{other} (2)"]


def test_another_protein_under_the_name_is_listed(store: Store, table: Path) -> None:
    given = Protein("other", "ACDEFGHIKL")
    report = import_tokens(store, [table], "s", "foldseek-tsv", sequences=[given])
    assert report.chains == 2
    (reason,) = report.failed.values()
    assert "is not the protein it should be" in reason


def test_strings_need_a_sequence_of_their_length(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "ss.fasta"
    path.write_text(">P1 x\nHHEEL\n>P2\nHHH\n>P3\nHHH\n>P4\nHXZ\n")
    proteins = [Protein("P1", "MKVLA"), Protein("P2", "MKVL")]
    report = import_tokens(store, [path], "s", "dssp-fasta", sequences=proteins)
    assert (report.structures, report.chains) == (4, 1)
    assert states(store, proteins[0], "dssp") == "HHEEL"
    mismatch, unknown, wrong = report.failed.values()
    assert "has 3 tokens, the sequence of 'P2' 4 residues" in mismatch
    assert "no sequence is known as P3. Give one with --sequences" in unknown
    assert "letter 'Z'" in wrong


def test_what_is_stored_stays_and_other_alphabets_join_it(store: Store, tmp_path: Path) -> None:
    protein = Protein("P1", "MKVLA")
    store.add_proteins([protein])
    first = StructureTokens(protein.digest, "s", {"dssp": DSSP.encode("HHHHH")}, None, "mine")
    store.add_tokens([first], {})
    (tmp_path / "dssp.fa").write_text(">P1\nEEEEE\n")
    (tmp_path / "3di.fa").write_text(">P1\nDVVVD\n")
    assert import_tokens(store, [tmp_path / "dssp.fa"], "s", "dssp-fasta").already_stored == 1
    assert import_tokens(store, [tmp_path / "3di.fa"], "s", "3di-fasta").already_stored == 0
    assert (states(store, protein, "dssp"), states(store, protein)) == ("HHHHH", "DVVVD")


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
@pytest.mark.parametrize("chains", [1, 2048])
def test_of_entries_of_one_protein_the_most_complete_is_taken(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order, chains: int
) -> None:
    """Whether the first was stored before the second came or not; what was there before stays."""
    monkeypatch.setattr(token_run, "_COMMIT_CHAINS", chains)
    protein, older = Protein("P1", "MKVLA"), Protein("P2", "MKVLAG")
    store.add_proteins([protein, older])
    codes = {"foldseek": np.full((1, 6), FOLDSEEK.mask, np.uint8)}
    codes["foldseek"][0, 0] = 3
    store.add_tokens([StructureTokens(older.digest, "s", codes, None, "mine")], {})
    (tmp_path / "a.TSV").write_text("P1\tKVL\tVVP\nP2\tMKVLAG\tDVVPDD\n")
    (tmp_path / "b.tsv").write_text("P1\tMKVLA\tDVVPD\n")
    (tmp_path / "c.txt").write_text("P1\tMKVLA\tDDDDD\n")
    paths = [tmp_path / ("a.TSV" if name == "a" else "b.tsv") for name in order]
    report = import_tokens(store, paths, "s", "foldseek-tsv")
    assert states(store, protein) == "DVVPD"
    assert store.tokens("s").get(older.digest).codes["foldseek"][0, 0] == 3  # type: ignore[union-attr]
    assert (report.structures, report.chains, report.passed_over) == (3, 2, 1)
    assert (report.already_stored, report.residues, report.coverage) == (1, 11, 1.0)
    again = import_tokens(Store.create(tmp_path / "new"), [tmp_path], "s", "foldseek-tsv")
    assert again.structures == 3


def test_a_classic_dssp_file_with_holes_is_aligned_by_its_numbers(
    store: Store, tmp_path: Path
) -> None:
    lines = ["  #  RESIDUE AA STRUCTURE BP1 BP2  ACC\n"]
    for number, letter in ((2, "K"), (3, "V"), (6, "A"), (7, "G")):
        lines.append(f"{number:5d}{number:5d} A {letter}  H      0   0\n")
    (tmp_path / "P1.dssp").write_text("".join(lines))
    protein = Protein("P1", "MKVLAAGIV")
    report = import_tokens(store, [tmp_path], "s", "dssp", sequences=[protein])
    assert report.failed == {}
    assert states(store, protein, "dssp") == "#HH##HH##"


def test_three_states_join_a_source_that_was_made_without_them(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sesstore.store import tokens as room
    from sesstore.store.integrity import verify

    protein = Protein("P1", "MKVLA")
    store.add_proteins([protein])
    (tmp_path / "dssp.fa").write_text(">P1\nEEEEE\n")
    (tmp_path / "ss3.fa").write_text(">P1\nHE-LC\n")
    older = {name: several for name, several in room.TABLES.items() if name != "ss3"}
    with monkeypatch.context() as patched:
        patched.setattr(room, "TABLES", older)
        import_tokens(store, [tmp_path / "dssp.fa"], "s", "dssp-fasta")
    assert "ss3" not in store.tokens("s").counts()
    assert verify(store.path).bad == []
    import_tokens(store, [tmp_path / "ss3.fa"], "s", "ss3-fasta")
    assert store.tokens("s").counts() == {"dssp": 1, "ss3": 1}
    found = store.tokens("s").get(protein.digest)
    assert SS3.decode(found.codes["ss3"][0]) == "HECCC"
    assert verify(store.path).bad == []


def test_a_broken_file_does_not_stop_the_others(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_text("no FASTA\n")
    (tmp_path / "b.fa").write_text(">P1\nMdKvVpLdA#\n")
    report = import_tokens(store, [tmp_path], "s", "saprot")
    assert list(report.failed) == [str(tmp_path / "a.fa")]
    assert states(store, Protein("P1", "MKVLA")) == "DVPD#"


def test_unknown_formats_and_empty_folders_are_said(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'foldseek-db'"):
        import_tokens(store, [tmp_path], "s", "foldseekdb")
    (tmp_path / "empty").mkdir()
    for name, form in FORMATS.items():
        of = "dssp" if form.of_any else None
        with pytest.raises(MissingFileError, match="in folder"):
            import_tokens(store, [tmp_path / "empty"], "s", name, alphabet=of)


def test_our_tokens_are_what_an_import_of_them_gives(
    store: Store, shared_structures: Path, tmp_path: Path
) -> None:
    from sesstore.structures.tokenise import TokenisedChain, tokenise

    chains = tokenise(shared_structures / "5zng.cif", source="s")
    rows = []
    for chain in chains:
        assert isinstance(chain, TokenisedChain)
        codes, sequence = chain.tokens.codes["foldseek"][0], chain.protein.sequence
        seen = codes != FOLDSEEK.mask
        observed = "".join(np.array(list(sequence))[seen])
        rows.append(f"5zng.cif_{chain.name[-1]}\t{observed}\t{FOLDSEEK.decode(codes[seen])}\n")
    (tmp_path / "t.tsv").write_text("".join(rows))
    proteins = [chain.protein for chain in chains]
    report = import_tokens(store, [tmp_path / "t.tsv"], "s", "foldseek-tsv", sequences=proteins)
    assert report.failed == {}
    for chain in chains:
        assert states(store, chain.protein) == FOLDSEEK.decode(chain.tokens.codes["foldseek"][0])


@pytest.mark.parametrize(
    ("entry", "known"),
    [
        ("AF-P12345-F1-model_v4", "sp|P12345|ABC_HUMAN"),
        ("pdb1abc.ent.gz_A", "1ABC_A"),
        ("1abc-assembly1.cif.gz_MODEL_1_A", "1abc_a"),
        ("1abc", "1abc_A"),
        ("UniRef50_P12345", "P12345"),
        ("mutant_unrelaxed_rank_001_x", "mutant"),
        ("A0A1_12-60", "A0A1/12-60"),
    ],
)
def test_names_meet_by_rule(store: Store, tmp_path: Path, entry: str, known: str) -> None:
    store.add_proteins([Protein(known, "MKVL"), Protein("other", "MKVA")])
    table = tmp_path / "t.tsv"
    table.write_text(f"{entry}\tKVL\tDVP\n")
    report = import_tokens(store, [table], "s", "foldseek-tsv")
    assert (report.known_covered, report.unmatched, report.new_sequences) == (1, {}, 0)
    assert report.proteins[0].id == known


@pytest.mark.parametrize(
    ("entry", "known"),
    [("1abc.cif.gz_B", "1abc_A"), ("P12345/2-4", "P12345"), ("AF-P12345-2-F1", "P12345")],
)
def test_names_that_do_not_meet_are_listed(
    store: Store, tmp_path: Path, entry: str, known: str
) -> None:
    store.add_proteins([Protein(known, "MKVL")])
    table = tmp_path / "t.tsv"
    table.write_text(f"{entry}\tKVL\tDVP\n")
    report = import_tokens(store, [table], "s", "foldseek-tsv")
    assert (report.known_covered, report.known_proteins) == (0, 1)
    assert list(report.unmatched) == [f"{table} entry {entry}"]
