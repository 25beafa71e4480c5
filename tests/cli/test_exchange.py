"""import and export: what goes out comes back in as it was."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from sesstore_cli.exporting import FORMATS

from sesstore.exchange.arrays import StoredProteins
from sesstore.exchange.formats import FORMATS as KNOWN
from sesstore.store import Store

ENCODER = ("--encoder", "mine", "--layer", "0", "--dtype", "float16")


@pytest.fixture
def fasta(trained: Path) -> Path:
    path = trained.parent / "all.fasta"
    store = Store.open(trained.parent / "store")
    path.write_text("".join(f">{p.id}\n{p.sequence}\n" for p in store.proteins()))
    return path


def test_the_command_line_knows_the_formats_of_the_library() -> None:
    assert set(FORMATS) == set(KNOWN)


@pytest.mark.parametrize("name", FORMATS)
def test_round_trip(cli, fasta: Path, name: str) -> None:
    said = cli("export", name, "out", "--json")
    assert said.status == 0, said.err
    assert said.json["written"] == 40
    said = cli("import", name, "out", "--sequences", fasta, *ENCODER, "--store", "new", "--json")
    assert said.status == 0, said.err
    assert (said.json["imported"], said.json["missing"]) == (40, [])
    old, new = Store.open("store").embeddings(), Store.open("new").embeddings()
    assert new.provenance.fingerprint.imported_from == name
    for digest in old.digests:
        assert np.array_equal(old.get(digest.tobytes()), new.get(digest.tobytes()))
    assert cli("verify", "--store", "new").status == 0


@pytest.mark.parametrize("name", FORMATS)
def test_means_go_out_and_are_refused_coming_in(cli, fasta: Path, name: str) -> None:
    assert cli("export", name, "out", "--reduce", "mean").status == 0
    said = cli("import", name, "out", "--sequences", fasta, *ENCODER, "--store", "new")
    assert said.status in (1, 2)
    assert not list(Path("new").glob("embeddings/*/zarr.json"))


def test_means_are_means(cli, fasta: Path) -> None:
    Path("wanted.txt").write_text("# two of them\np0_1\np0_2\n")
    said = cli("export", "uniprot", "x.h5", "--reduce", "mean", "--ids", "wanted.txt", "--json")
    assert said.json["written"] == 2
    store = Store.open("store")
    (digest,) = store.find_id("p0_1")
    expected = store.embeddings().get(digest).astype(np.float32).mean(0)
    with h5py.File("x.h5") as file:
        assert set(file) == {"p0_1", "p0_2"}
        assert np.array_equal(file["p0_1"][...], expected)


@pytest.mark.parametrize(("name", "suffix"), [("ses-adapter", "jsonl"), ("ses-adapter-csv", "csv")])
def test_tasks_go_out_and_come_back(cli, fasta: Path, name: str, suffix: str) -> None:
    said = cli("export", name, "out", "--task", "deeploc_binary", "--json")
    assert said.status == 0, said.err
    assert sorted(p.name for p in Path("out").iterdir()) == [
        f"{split}.{suffix}" for split in ("test", "train", "valid")
    ]
    back = cli("add", "deeploc_binary", "--data", "out", "--source", "alphafold2", "--store", "new")
    assert back.status == 0, back.err
    old, new = Store.open("store"), Store.open("new")
    assert old.task("deeploc_binary").data_digest == new.task("deeploc_binary").data_digest
    for tokens in old.tokens("alphafold2"):
        other = new.tokens("alphafold2").get(tokens.digest)
        assert other is not None
        assert all(np.array_equal(tokens.codes[a], other.codes[a]) for a in tokens.codes)


def test_a_task_without_structures_goes_out_too(cli, data: Path) -> None:
    Path("bare").mkdir()
    for file in data.iterdir():
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        kept = [{k: row[k] for k in ("name", "aa_seq", "label")} for row in rows]
        Path("bare", file.name).write_text("".join(json.dumps(row) + "\n" for row in kept))
    assert cli("add", "deeploc_binary", "--data", "bare", "--store", "new").status == 0
    cli("export", "ses-adapter", "out", "--task", "deeploc_binary", "--store", "new")
    row = json.loads(Path("out/train.jsonl").read_text().splitlines()[0])
    assert row.keys() == {"name", "aa_seq", "label"}


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("import uniprot none.h5 --sequences all.fasta --encoder x", 2, "no file or folder 'none"),
        ("import uniprot all.fasta --sequences all.fasta --encoder x", 2, "no readable HDF5"),
        ("import unprot all.fasta --sequences all.fasta --encoder x", 2, "unprot"),
        ("import uniprot out --sequences none.fasta --encoder x", 2, "no file 'none.fasta'"),
        ("import fairesm run --sequences all.fasta --encoder x", 2, "--layer"),
        ("export uniprot all.fasta", 2, "exists already"),
        ("export uniprot out --plm esm3", 1, "only by"),
        ("export uniprot out --ids none.txt", 2, "no file 'none.txt'"),
        ("export uniprot out --ids strange.txt", 1, "knows no protein called nobody"),
        ("export uniprot out --task ec", 2, "ec"),
        ("export ses-adapter out", 2, "--task"),
        ("export ses-adapter out --task deeploc_binary --source esmfold", 2, "esmfold"),
        ("export uniprot out --store none", 2, "there is no store"),
    ],
)
def test_what_cannot_be_is_said(cli, fasta: Path, words: str, status: int, said: str) -> None:
    Path("strange.txt").write_text("nobody\n")
    done = cli(*words.split())
    assert said in done.err
    assert done.status == status
    assert not Path("out").exists()
    assert not list(Path().glob(".*.out"))


def test_records_that_do_not_fit_are_listed_and_left_out(cli, fasta: Path) -> None:
    with h5py.File("x.h5", "w") as file:
        file["p0_1"] = np.zeros((3, 7), np.float16)
        file["nobody"] = np.zeros((3, 7), np.float16)
    done = cli("import", "uniprot", "x.h5", "--sequences", fasta, *ENCODER, "--store", "new")
    assert done.status == 1
    assert "p0_1: has 3 rows" in done.out
    assert "nobody: no known protein has this name" in done.out


def test_one_id_for_two_sequences_is_not_lost_silently(cli, trained: Path) -> None:
    Path("two.fasta").write_text(">same\nMKV\n>same\nMKVL\n")
    cli("add", "two.fasta", "--store", "two")
    cli("embed", "--plm", "blosum62", "--store", "two")
    done = cli("export", "uniprot", "out", "--store", "two")
    assert done.status == 2
    assert "stands for two sequences" in done.err
    assert cli("export", "biotrainer", "out", "--store", "two", "--json").json["written"] == 2


def test_a_data_set_for_a_torch_loader(trained: Path) -> None:
    from torch.utils.data import DataLoader

    store = Store.open(trained.parent / "store")
    rows = StoredProteins(store, task="deeploc_binary", split="valid")
    assert len(rows) == 8
    loader = DataLoader(rows, batch_size=None, num_workers=1)
    for row, expected in zip(loader, rows, strict=True):
        assert row["id"] == expected["id"]
        assert np.array_equal(row["embedding"], expected["embedding"])
        assert row["label"] == expected["label"]
    everything = StoredProteins(store, "blosum62")
    assert len(everything) == 40
    assert everything[0]["embedding"].dtype == np.float32


def _uniprot_files(count: int = 3) -> list[str]:
    """A FASTA file with UniProt's headers, and HDF5 files by accession and by a script's keys."""
    lengths = range(5, 5 + count)
    sequences = ["ACDEFGHIKLMNPQRSTVWY"[:length] for length in lengths]
    accessions = [f"P1000{i}" for i in range(count)]
    Path("all.fasta").write_text(
        "".join(
            f">sp|{name}|PR{i}_HUMAN Protein number {i} OS=Homo sapiens\n{sequences[i]}\n"
            for i, name in enumerate(accessions)
        )
    )
    with h5py.File("accessions.h5", "w") as plain, h5py.File("script.h5", "w") as script:
        for i, name in enumerate(accessions):
            plain[name] = np.full((len(sequences[i]), 4), i, np.float16)
            script[f"sp|{name}|PR{i}_HUMAN Protein number {i} OS=Homo sapiens"] = plain[name][...]
    return sequences


@pytest.mark.parametrize("name", ["accessions.h5", "script.h5"])
def test_accessions_meet_headers(cli, name: str) -> None:
    _uniprot_files()
    done = cli("import", "uniprot", name, "--sequences", "all.fasta", *ENCODER, "--json")
    assert (done.status, done.json["imported"], done.json["sequences"]) == (0, 3, 3)
    view = Store.open("store").embeddings()
    for i, protein in enumerate(sorted(Store.open("store").proteins(), key=len)):
        assert (view.get(protein.digest) == i).all()


def test_records_of_nothing_known_are_said_aloud_and_listed(cli) -> None:
    _uniprot_files()
    Path("others.fasta").write_text(">P10000-2\nMKV\n>Q99999\nMKVL\n")
    words = ("import", "uniprot", "accessions.h5", "--sequences", "others.fasta", *ENCODER)
    done = cli(*words)
    assert done.status == 1
    assert "0 of 2 given sequences now have embeddings by mine" in done.out
    assert "P10000: no known protein has this name, but another isoform" in done.out
    assert "NO GIVEN SEQUENCE HAS EMBEDDINGS" in done.out
    assert "like 'P10000', those of the sequences like 'P10000-2'" in done.out
    said = cli(*words, "--json").json
    assert set(said["unmatched"]) == {"P10000", "P10001", "P10002"}
    lines = Path(said["unmatched_list"]).read_text().splitlines()
    assert lines[0] == "record\treason"
    assert len(lines) == 1 + 3 + 2
    cli("import", "uniprot", "accessions.h5", "--sequences", "all.fasta", *ENCODER)
    assert not Path(said["unmatched_list"]).exists()


def test_ids_to_export_are_names_too(cli) -> None:
    _uniprot_files()
    cli("import", "uniprot", "accessions.h5", "--sequences", "all.fasta", *ENCODER)
    Path("wanted.txt").write_text("P10001\nPR2_HUMAN\n")
    assert cli("export", "npy", "out", "--ids", "wanted.txt", "--json").json["written"] == 2
    assert sorted(path.name for path in Path("out").iterdir()) == ["P10001.npy", "PR2_HUMAN.npy"]


@pytest.mark.parametrize("name", ["uniprot", "npy", "fairesm"])
def test_ids_that_are_no_file_names_go_out_and_come_back(cli, name: str) -> None:
    ids = ["A0A1/12-60", "../up", "x" * 70_000, "sp|Q|N_X"]
    Path("odd.fasta").write_text("".join(f">{one}\nMKV{'A' * i}\n" for i, one in enumerate(ids)))
    cli("add", "odd.fasta")
    cli("embed", "--plm", "onehot")
    assert cli("export", name, "out", "--json").json["written"] == len(ids)
    assert not Path("up.npy").exists()
    back = cli(
        "import", name, "out", "--sequences", "odd.fasta", *ENCODER, "--store", "n", "--json"
    )
    assert (back.status, back.json["imported"]) == (0, len(ids))


def test_one_record_that_does_not_fit_is_named_and_the_others_are_stored(cli) -> None:
    Path("all.fasta").write_text(">a\nMKV\n>b\nMKVL\n>c\nMKVLA\n")
    with h5py.File("x.h5", "w") as file:
        file["a"] = np.full((8, 3), 1, np.float32)  # axes exchanged
        file["b"] = np.full((4, 8), 1e6, np.float32)
        file["c"] = np.full((5, 8), 1, np.float32)
        file["d/c"] = np.full((7, 8), 1, np.float32)
    done = cli("import", "uniprot", "x.h5", "--sequences", "all.fasta", *ENCODER)
    assert done.status == 1
    assert "1 of 3 given sequences now have embeddings by mine" in done.out
    assert "a: has 8 rows, the sequence of 'a' 3 residues. Its axes are exchanged" in done.out
    assert "b: holds values up to 1e+06, more than float16 can hold" in done.out
    assert "d/c: no known protein has this name" in done.out


def test_what_is_declared_reaches_the_store(cli) -> None:
    _uniprot_files()
    words = ("--licence", "CC-BY", "--citation", "Somebody 2026", "--dtype", "float32", "--layer")
    done = cli(
        "import", "uniprot", "accessions.h5", "--sequences", "all.fasta", "--encoder", "mine",
        *words, "12",
    )  # fmt: skip
    assert done.status == 0
    made = Store.open("store").embeddings("mine").provenance
    assert (made.licence, made.citation, made.dtype) == ("CC-BY", "Somebody 2026", "float32")
    assert (made.fingerprint.layer, made.fingerprint.encoder) == (12, "mine")


def test_the_layer_that_is_named_is_stored(cli) -> None:
    import torch

    _uniprot_files(1)
    Path("pt").mkdir()
    layers = {layer: torch.full((5, 3), 1.0 * layer) for layer in (6, 12, 33)}
    torch.save({"label": "P10000", "representations": layers}, "pt/P10000.pt")
    words = ("import", "fairesm", "pt", "--sequences", "all.fasta", "--encoder", "mine")
    assert cli(*words, "--layer", "12").status == 0
    view = Store.open("store").embeddings("mine")
    assert (view.get(view.digests[0].tobytes()) == 12).all()
    assert view.provenance.fingerprint.layer == 12


def test_the_encoder_and_the_task_that_are_named_go_out(cli, trained: Path) -> None:
    assert cli("embed", "--plm", "onehot").status == 0
    done = cli("export", "npy", "out", "--plm", "onehot", "--task", "deeploc_binary", "--json").json
    assert done["encoder"] == "onehot"
    store = Store.open("store")
    task = {d.tobytes() for s in store.task("deeploc_binary").splits.values() for d in s.digests}
    assert done["written"] == len(task)
    for digest in task:
        values = np.load(f"out/{store.protein(digest).id}.npy")
        assert np.array_equal(values, store.embeddings("onehot").get(digest))


def test_a_second_record_of_a_protein_changes_nothing(cli) -> None:
    _uniprot_files(1)
    with h5py.File("twice.h5", "w") as file:
        file["P10000"] = np.ones((5, 4), np.float16)
        file["sp|P10000|PR0_HUMAN"] = np.zeros((5, 4), np.float16)
    words = ("import", "uniprot", "twice.h5", "--sequences", "all.fasta", *ENCODER)
    said = cli(*words, "--json").json
    assert (said["imported"], said["already_stored"]) == (1, 1)
    view = Store.open("store").embeddings()
    assert len(view) == 1
    assert (view.get(view.digests[0].tobytes()) == 1).all()
