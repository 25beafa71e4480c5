"""What becomes of a task when data of its name are added again."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from sesstore.datasets.user_data import UserData
from sesstore.errors import InputError, UnknownNameError
from sesstore.jobs.add import AddReport, add, load
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
