"""What becomes of a task when data of its name are added again."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sesstore.datasets.columns import Columns
from sesstore.datasets.load import LoadedTask
from sesstore.datasets.user_data import UserData
from sesstore.errors import InputError, UnknownNameError
from sesstore.jobs import add as module
from sesstore.jobs.add import AddReport, add, load
from sesstore.jobs.proteinfiles import SequenceFile
from sesstore.store import Store

LETTERS = "ACDEFGHIKLMNPQRSTVWY"


def table(path: Path, labels: list[object], tokens: bool = False) -> Path:
    """A table of as many rows, in three splits; each sequence is of one letter."""
    splits = ["train", "train", "valid", "test"] * len(labels)
    lines = ["id,seq,label,split" + ",ss8_seq" * tokens]
    for place, label in enumerate(labels):
        row = f"p{place},{LETTERS[place] * 9},{label},{splits[place]}"
        lines.append(row + ",HHHHHHHHH" * tokens)
    path.write_text("\n".join(lines) + "\n")
    return path


def added(
    store: Store, path: Path, source: str | None = None, replacing: bool = False
) -> AddReport:
    loaded = load(str(path), source=source, user_data=UserData(name="mine"))
    return add(store, loaded, replacing=replacing)


def test_a_task_of_another_kind_is_replaced_on_request_only(store: Store, tmp_path: Path) -> None:
    added(store, table(tmp_path / "classes.csv", ["a", "b"] * 4))
    before = store.task("mine")
    values = table(tmp_path / "values.csv", [0.5 * n for n in range(8)])
    for other in (values, table(tmp_path / "other.csv", ["a", "c"] * 4)):
        with pytest.raises(InputError, match=r"'mine' that predicts something else.* --replace"):
            added(store, other)
    assert store.task("mine").data_digest == before.data_digest
    assert store.count_proteins() == 8
    notes = added(store, values, replacing=True).notes
    assert notes[-1] == "it replaces one of that name (8 rows of single_label of a, b)"
    assert store.task("mine").problem == "regression"


def test_new_rows_of_the_same_kind_replace_the_old_and_say_so(store: Store, tmp_path: Path) -> None:
    added(store, table(tmp_path / "one.csv", ["a", "b"] * 4))
    assert "replaces" in added(store, table(tmp_path / "two.csv", ["b", "a"] * 4)).notes[-1]
    assert "the same" in added(store, table(tmp_path / "two.csv", ["b", "a"] * 4)).notes[-1]


def test_a_task_remembers_its_source_until_another_is_named(store: Store, tmp_path: Path) -> None:
    plain = table(tmp_path / "plain.csv", ["a", "b"] * 4)
    added(store, plain)
    assert store.task("mine").source is None
    added(store, plain, source="pdb")
    assert store.task("mine").source == "pdb"
    added(store, plain)
    assert store.task("mine").source == "pdb"
    added(store, table(tmp_path / "tokens.csv", ["a", "b"] * 4, tokens=True), source="esmfold")
    assert store.task("mine").source == "esmfold"
    with pytest.raises(InputError, match="cannot name a source"):
        added(store, plain, source="../up")


def test_a_benchmarks_task_comes_by_name_from_its_archive(store: Store, tmp_path: Path) -> None:
    rows = [f"{LETTERS[n] * 30},{n / 4},{'train' if n < 12 else 'test'}," for n in range(16)]
    text = "\n".join(["sequence,target,set,validation", *rows]) + "\n"
    archive = tmp_path / "splits.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("splits/two_vs_rest.csv", text)
    report = add(store, load("flip_gb1_two_vs_rest", data=archive))
    assert report.splits == {"train": 11, "valid": 1, "test": 4}
    assert report.notes[0] == f"read {archive}/splits/two_vs_rest.csv"
    assert "doi:10.7554/eLife.16965" in store.task("flip_gb1_two_vs_rest").citation
    with pytest.raises(
        InputError, match=r"Get splits\.zip from https.* sesstore add flip_gb1_two_"
    ):
        load("flip_gb1_two_vs_rest")
    by_cluster = UserData(split_by="cluster")
    assert load("flip_gb1_two_vs_rest", data=archive, user_data=by_cluster).task.split_by == (  # type: ignore[union-attr]
        "cluster"
    )
    with pytest.raises(InputError, match="is a published task"):
        load("flip_meltome_human", data=archive, user_data=by_cluster)
    with pytest.raises(UnknownNameError, match="Which of flip_gb1_low_vs_high"):
        load("flip_gb1")


def test_what_is_added_is_counted_and_what_is_odd_is_told(store: Store, tmp_path: Path) -> None:
    path = table(tmp_path / "mine.csv", ["a", "b"] * 4, tokens=True)
    loaded = load(str(path), source="esmfold")
    assert isinstance(loaded, LoadedTask)
    findings: Any = [
        SimpleNamespace(biases=True, line="it biases"),
        SimpleNamespace(biases=False, line="it does not"),
    ]
    loaded = replace(loaded, warnings=["odd"], notes=["columns"], findings=findings)
    report = add(store, loaded)
    assert (report.task, report.proteins, report.sequences, report.tokens) == ("mine", 8, 8, 8)
    assert report.splits == {"train": 4, "valid": 2, "test": 2}
    assert report.warnings == ["odd", "it biases"]
    assert report.notes == ["columns", "good to know: it does not"]
    assert store.tokens("esmfold").counts() == {"dssp": 8}
    again = add(store, loaded)
    assert (again.proteins, again.sequences, again.tokens) == (8, 0, 0)
    assert again.notes[-1] == "it was here already, the same"
    fasta = tmp_path / "plain.fasta"
    fasta.write_text(f">new\nMKV\n>p0\n{LETTERS[0] * 9}\n>dna\n{'ACGT' * 30}\n")
    plain = load(str(fasta))
    assert isinstance(plain, SequenceFile)
    report = add(store, plain)
    assert (report.task, report.proteins, report.sequences) == (None, 3, 2)
    assert "DNA or RNA" in report.warnings[0]


@pytest.mark.parametrize(
    "said",
    [
        {"name": "x"},
        {"task_type": "regression"},
        {"mask": Path("m.fasta")},
        {"columns": Columns(label="y")},
        {"split_by": "random"},
    ],
)
def test_sequences_alone_become_no_task(tmp_path: Path, said: dict[str, Any]) -> None:
    fasta = tmp_path / "plain.fasta"
    fasta.write_text(">a\nMKV\n")
    with pytest.raises(InputError, match="sequences without labels, so it becomes no task"):
        load(str(fasta), user_data=UserData(**said))
    assert len(load(str(fasta), user_data=UserData(seed=3))) == 1  # type: ignore[arg-type]


def test_what_is_said_of_data_reaches_those_who_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(tmp_path / "mine.csv", ["a", "b"] * 4)
    loaded = load(str(path))
    calls: list[tuple[Any, ...]] = []

    def reading(*args: object, **settings: object) -> object:
        calls.append((*args, settings))
        return loaded

    monkeypatch.setattr(module, "load_own", reading)
    monkeypatch.setattr(module, "load_task", reading)
    said = UserData(seed=3, drop_unlabelled=True)
    load(str(path), source="pdb", allow_partial=True, user_data=said)
    assert calls == [(path, said, "pdb", {"allow_partial": True})]
    how = {"allow_partial": True, "seed": 3, "drop_unlabelled": True, "split_by": None}
    task: dict[str, Any] = {"source": "pdb", "allow_partial": True, "user_data": said}
    load("deeploc_binary", data=tmp_path, **task)
    plan, *settings = calls[1]
    assert (plan.name, settings) == ("deeploc_binary", [tmp_path, "pdb", how])
    monkeypatch.setattr(module, "chosen_source", lambda plan, source: f"{source} of the hub")
    files = SimpleNamespace(folder=tmp_path / "hub", note="fetched it")
    asked: list[object] = []
    monkeypatch.setattr(module, "download", lambda *args: asked.append(args) or files)
    fetched = load("deeploc_binary", **task)
    assert asked == [(plan, "pdb of the hub")]
    assert calls[2] == (plan, tmp_path / "hub", "pdb of the hub", how)
    assert isinstance(fetched, LoadedTask)
    assert fetched.notes == ["fetched it", *loaded.notes]  # type: ignore[union-attr]
    assert fetched.task.notes == ("fetched it", *loaded.task.notes)  # type: ignore[union-attr]
