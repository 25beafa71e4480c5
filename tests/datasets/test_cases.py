"""Files after public reports on other tools, ``../shared/cases``: what each has to become."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from sesstore.datasets.columns import Columns
from sesstore.datasets.load import LoadedTask
from sesstore.datasets.user_data import UserData
from sesstore.errors import InputError
from sesstore.jobs.add import load
from sesstore.jobs.proteinfiles import SequenceFile

GO = "Gene Ontology (molecular function)"
TM = UserData(columns=Columns(label="Tm"))
NAMED = {"28": "28-fasta-oddities", "29": "29-saprot-strings", "30": "30-saprothub-csv",
         "31": "31-excel-exports", "32": "32-go-term-names", "33": "33-missing-labels",
         "34": "34-words-to-pandas", "35": "35-biotrainer-fasta", "36": "36-numpy-printed-labels",
         "37": "37-dssp-blanks", "38": "38-json-shapes", "43": "43-tiny-and-long",
         "48": "48-biotrainer-examples"}  # fmt: skip


@pytest.fixture
def cases() -> Path:
    folder = Path(__file__).resolve().parents[3] / "shared" / "cases"
    if not folder.is_dir():
        pytest.skip("../shared/cases is not at hand")
    return folder


def task_of(path: Path, own: UserData | None = None) -> LoadedTask:
    loaded = load(str(path), user_data=own)
    assert isinstance(loaded, LoadedTask)
    return loaded


@pytest.mark.parametrize(
    ("name", "proteins", "warned"),
    [
        ("a3m.fasta", 2, None), ("crlf_bom.fasta", 2, None), ("long_header.fasta", 2, None),
        ("mac.fasta", 2, None), ("pir.fasta", 1, None), ("space_header.fasta", 2, None),
        ("dna.fasta", 2, "2 of 2 sequences look like DNA"),
    ],
)  # fmt: skip
def test_fasta(cases: Path, name: str, proteins: int, warned: str | None) -> None:
    loaded = load(str(cases / NAMED["28"] / name))
    assert isinstance(loaded, SequenceFile)
    assert len(list(loaded)) == len(loaded) == proteins
    assert [warned in text for text in loaded.warnings if warned] == [True] * bool(warned)


@pytest.mark.parametrize(
    ("case", "name", "said"),
    [
        ("28", "a3m.a3m", "It is an alignment"),
        ("28", "dots.fasta", r"line 2 \(a\): letter '\.'"),
        ("28", "gap.fasta", r"line 2 \(a\): letter '-'"),
        ("28", "inner_stop.fasta", r"line 2 \(a\): letter '\*'"),
        ("28", "empty_record.fasta", r"line 1 \(a\): the sequence is empty"),
        ("28", "numbers.fasta", r"line 2 \(genpept\): letter '1'.*GenBank"),
        ("29", "saprot.fasta", "as SaProt writes them"),
        ("29", "saprot.csv", "column protein: .* as SaProt writes them"),
        ("30", "pairs.csv", "second sequence a row, in column protein_2"),
        ("32", "onehot_columns.csv", "--label: Cytoplasm, Nucleus, Membrane"),
        (
            "32",
            "uniprot_go.tsv",
            f"--label: Reviewed, {GO}".replace("(", r"\(").replace(")", r"\)"),
        ),
        ("35", "interactor.fasta", "is one of a pair"),
        ("48", "examples_protein_protein_interaction_interactions.fasta", "is one of a pair"),
        ("48", "examples_saprot_embedder_sequences.fasta", "as SaProt writes them"),
    ],
)
def test_what_is_refused(cases: Path, case: str, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load(str(cases / NAMED[case] / name))


@pytest.mark.parametrize(
    "name",
    ["decimal_comma", "quoted_newlines", "semicolon", "sep", "tabs", "trailing_columns",
     "trailing_rows", "utf16"],
)  # fmt: skip
def test_excel(cases: Path, name: str) -> None:
    task = task_of(cases / NAMED["31"] / f"{name}.csv", TM).task
    values = {
        id_: value for s in task.splits.values() for id_, value in zip(s.ids, s.labels, strict=True)
    }
    assert task.problem == "regression"
    assert len(values) == 60
    assert [values[f"P1000{n}"] for n in range(4)] == [40.0, 40.4, 40.7, 41.1]


def test_terms_of_go(cases: Path) -> None:
    folder = cases / NAMED["32"]
    truth = sorted(json.loads((folder / "truth.json").read_text()))
    own = UserData(columns=Columns(label=GO))
    assert sorted(task_of(folder / "uniprot_go.tsv", own).task.classes) == truth
    for name in ("go_ids.tsv", "go_ids_pipe.tsv"):
        classes = task_of(folder / name).task.classes
        assert len(classes) == 5
        assert all(name.startswith("GO:") and len(name) == 10 for name in classes)


@pytest.mark.parametrize("word", ["NA", "NaN", "empty", "nd"])
@pytest.mark.parametrize("kind", ["class", "value"])
def test_missing_labels(cases: Path, word: str, kind: str) -> None:
    path = cases / NAMED["33"] / f"{kind}_{word}.csv"
    with pytest.raises(InputError, match=r"lines 5, 15, .*8 of 80 rows have no label"):
        load(str(path))
    loaded = task_of(path, UserData(drop_unlabelled=True))
    assert sum(map(len, loaded.task.splits.values())) == 72
    assert loaded.task.classes == (("0", "1") if kind == "class" else ("label",))
    assert "8 of 80 rows have no label" in loaded.task.notes[0]


def test_splits_of_saprothub_are_its_authors(cases: Path) -> None:
    for name in ("classes", "sequence"):
        path = cases / NAMED["30"] / f"{name}.csv"
        with path.open() as file:
            stages = [row["stage"] for row in csv.DictReader(file)]
        splits = task_of(path).task.splits
        assert {name: len(split) for name, split in splits.items()} == {
            name: stages.count(name) for name in ("train", "valid", "test")
        }


@pytest.mark.parametrize(
    ("case", "name", "classes"),
    [
        ("33", "booleans.csv", ("False", "True")),
        ("34", "words.csv", ("0", "1")),
        ("35", "flip_scl.fasta", ("ER", "Golgi", "Lysosome/Vacuole")),
        ("35", "lower_keys.fasta", ("Cyto", "Nucleus")),
        ("35", "old_validation.fasta", ("C", "N")),
        ("35", "target_with_space.fasta", ("Cell membrane", "Cell wall")),
        ("35", "tests.fasta", ("Cyto", "Nucleus")),
        ("36", "listed.csv", ("0", "1", "2")),
        ("36", "printed.csv", ("0", "1", "2")),
        ("37", "dssp.csv", ("E", "G", "H", "L", "S", "T")),
        ("37", "dssp.jsonl", ("E", "G", "H", "L", "S", "T")),
        ("38", "array.json", ("0", "1")),
        ("38", "columns.json", ("0", "1")),
        ("38", "mixed.jsonl", ("0", "1")),
        ("38", "pretty.json", ("0", "1")),
    ],
)
def test_classes(cases: Path, case: str, name: str, classes: tuple[str, ...]) -> None:
    assert task_of(cases / NAMED[case] / name).task.classes == classes


def test_one_label_a_residue_however_it_is_printed(cases: Path) -> None:
    listed, printed = (
        task_of(cases / NAMED["36"] / f"{name}.csv").task for name in ("listed", "printed")
    )
    assert listed.data_digest == printed.data_digest
    assert listed.problem == "residue_single_label"


def test_several_test_sets(cases: Path) -> None:
    names = (
        ("35", "tests.fasta"),
        ("48", "examples_multiple_test_sets_sequence_to_class_input.fasta"),
    )
    splits = [list(task_of(cases / NAMED[case] / name).task.splits) for case, name in names]
    assert splits == [
        ["train", "valid", "test1", "test2"], ["train", "valid", "test", "test2", "test3"],
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "count"), [("long", 1), ("tiny", 4)])
def test_any_length(cases: Path, name: str, count: int) -> None:
    assert len(list(load(str(cases / NAMED["43"] / f"{name}.fasta")))) == count
