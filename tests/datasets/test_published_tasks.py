"""Every recipe of a benchmark, on small files in the layout that the benchmark publishes.

Columns, headers and names of files are those published: FLIP's splits.zip (J-SNACKKB/FLIP,
splits/), FLIP2's archive (doi:10.5281/zenodo.18433203), biotrainer's FASTA, ProteinGym v1.3's
cv_folds_*.zip, and the JSON files of TAPE's raw data, whose keys PEER's files have, too.
"""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sesstore.datasets.load import LoadedTask, load_own, load_task
from sesstore.datasets.recipes import Recipe, recipe, recipe_names
from sesstore.datasets.user_data import UserData
from sesstore.errors import InputError, MissingFileError, RecordError, UnknownNameError
from sesstore.tasks import Problem

from .conftest import sequences

PUBLISHED = [name for name in recipe_names() if recipe(name).layout is not None]
TABLES = [
    n for n in PUBLISHED if "" in recipe(n).layout.files and not recipe(n).problem.per_residue
]  # type: ignore[union-attr]
RESIDUES = [n for n in PUBLISHED if n.startswith("flip") and recipe(n).problem.per_residue]
PEER = [n for n in PUBLISHED if n.startswith("peer_")]
SETS = ["train"] * 6 + ["test"] * 4
VALIDATION = [False, False, False, False, True, True] + [False] * 4
RESIDUE_LETTERS = {"secondary_structure": "HEC", "conservation": "123456789", "bind": "01234567"}


SPLITS_OF = {
    "flip/aav": "des_mut mut_des one_vs_many two_vs_many seven_vs_many low_vs_high",
    "flip/gb1": "one_vs_rest two_vs_rest three_vs_rest low_vs_high",
    "flip/meltome": "mixed_split human human_cell",
    "flip/scl": "mixed_soft mixed_hard human_soft human_hard balanced mixed_vs_human_2",
    "flip/sav": "mixed human only_savs",
    "flip/bind": "one_vs_many two_vs_many from_publication one_vs_sm one_vs_mn one_vs_sn",
    "flip/secondary_structure": "sampled",
    "flip/conservation": "sampled",
    "flip2/amylase": "one_to_many close_to_far far_to_close by_mutation",
    "flip2/ired": "two_to_many",
    "flip2/nucb": "two_to_many",
    "flip2/trpb": "one_to_many two_to_many by_position",
    "flip2/hydro": "three_to_many low_to_high to_P06241 to_P0A9X9 to_P01053",
    "flip2/rhomax": "by_wild_type",
}
"""Active splits by folder, as splits/README.md of FLIP and the archive of FLIP2 have them."""


def layout_folder(task: Recipe, root: Path) -> Path:
    """``splits`` within the folder of the task's data set, as FLIP's archives unpack."""
    assert task.layout is not None
    folder = root / task.layout.folder / "splits"
    folder.mkdir(parents=True)
    return folder


def labels_of(task: Recipe, count: int) -> list[str]:
    if task.problem is Problem.REGRESSION:
        return [str(0.25 * number - 1) for number in range(count)]
    names = [task.classes[number % len(task.classes)] for number in range(count)]
    if task.problem is Problem.MULTI_LABEL:
        return [";".join(dict.fromkeys((name, task.classes[0]))) for name in names]
    return names


def flip_table(task: Recipe, root: Path, labels: list[str] | None = None) -> Path:
    assert task.layout is not None
    rows = zip(sequences(10), labels or labels_of(task, 10), SETS, VALIDATION, strict=True)
    # pandas writes no value where validation is not said, as in most of FLIP's files.
    lines = [f"{s},{label},{where},{'True' if valid else ''}" for s, label, where, valid in rows]
    path = layout_folder(task, root) / f"{task.layout.files['']}.csv"
    path.write_text("\n".join(["sequence,target,set,validation", *lines]) + "\n")
    return path.parent


def flip_residues(task: Recipe, root: Path) -> Path:
    assert task.layout is not None
    folder, letters = layout_folder(task, root), RESIDUE_LETTERS[task.layout.folder]
    texts, masks, targets = [], [], []
    for number, (sequence, where, valid) in enumerate(
        zip(sequences(10), SETS, VALIDATION, strict=True)
    ):
        labels = "".join(letters[(number + i) % len(letters)] for i in range(len(sequence)))
        texts.append(f">{number}abc-A\n{sequence}\n")
        masks.append(f">{number}abc-A\n0{'1' * (len(sequence) - 1)}\n")
        targets.append(f">{number}abc-A SET={where} VALIDATION={valid}\n{labels}\n")
    (folder / "sequences.fasta").write_text("".join(texts))
    (folder / f"{task.layout.files['']}.fasta").write_text("".join(targets))
    if task.layout.folder == "secondary_structure":
        (folder / "resolved.fasta").write_text("".join(masks))
    return folder


def tape_json(task: Recipe, root: Path) -> Path:
    """One JSON array a split; a number is a list of one, a class a number, residues are lists."""
    assert task.layout is not None
    label = task.layout.columns.label
    assert label is not None
    folder = root / task.layout.folder
    folder.mkdir(parents=True)
    for place, stem in enumerate(task.layout.files.values()):
        records = []
        for number, sequence in enumerate(sequences(4, seed=place)):
            value: Any = [0.5 * number] if task.problem is Problem.REGRESSION else number % 2
            record = {"primary": sequence, "protein_length": len(sequence), "id": str(number)}
            if task.problem.per_residue:
                value = [number % 3 for _ in sequence]
                record["valid_mask"] = [False, *([True] * (len(sequence) - 1))]  # type: ignore[assignment]
            records.append({**record, label: value})
        (folder / f"{stem}.json").write_text(json.dumps(records))
    return folder


def zipped(folder: Path, archive: Path) -> Path:
    """A zip as published: with its folder, and what macOS puts beside."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.iterdir()):
            file.write(path, f"{folder.name}/{path.name}")
            file.writestr(f"__MACOSX/{folder.name}/._{path.name}", b"\x00\x05\x16\x07")
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    return archive


def same(a: LoadedTask, b: LoadedTask) -> bool:
    return a.task.data_digest == b.task.data_digest


def sizes(loaded: LoadedTask) -> dict[str, int]:
    return {name: len(split) for name, split in loaded.task.splits.items()}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_flip_and_flip2(name: str, tmp_path: Path) -> None:
    task = recipe(name)
    folder = flip_table(task, tmp_path)
    loaded = load_task(task, folder)
    assert sizes(loaded) == {"train": 4, "valid": 2, "test": 4}
    assert loaded.task.citation == task.citation
    if task.problem is Problem.REGRESSION:
        assert loaded.task.splits["train"].labels == [-1.0, -0.75, -0.5, -0.25]
    elif task.problem is Problem.SINGLE_LABEL:
        count = len(task.classes)
        assert loaded.task.splits["train"].labels == [i % count for i in range(4)]
    else:
        assert loaded.task.splits["train"].labels[1] == (0, 1)
    assert same(load_task(task, tmp_path), loaded)
    if name.startswith("flip2"):  # in its archive each table is gzipped, in its data set's folder
        (table,) = folder.iterdir()
        packed = tmp_path / "flip2" / folder.parent.name / f"{table.name}.gz"
        packed.parent.mkdir(parents=True)
        packed.write_bytes(gzip.compress(table.read_bytes()))
        assert same(load_task(task, tmp_path / "flip2"), loaded)
    archive = zipped(folder, folder.parent / "splits.zip")
    assert same(load_task(task, archive), loaded)
    assert same(load_task(task, archive.parent), loaded)


@pytest.mark.parametrize("name", RESIDUES)
def test_residues_of_flip(name: str, tmp_path: Path) -> None:
    task = recipe(name)
    folder = flip_residues(task, tmp_path)
    loaded = load_task(task, folder)
    assert sizes(loaded) == {"train": 4, "valid": 2, "test": 4}
    labels = loaded.task.splits["train"].labels
    masked = "secondary_structure" in name
    assert labels[0][:3].tolist() == [-100 if masked else 0, 1, 2]
    assert same(load_task(task, zipped(folder, folder.parent / "splits.zip")), loaded)


@pytest.mark.parametrize("name", PEER)
def test_json_of_tape_and_peer(name: str, tmp_path: Path) -> None:
    task = recipe(name)
    folder = tape_json(task, tmp_path)
    loaded = load_task(task, folder)
    assert task.layout is not None
    assert sizes(loaded) == dict.fromkeys(task.layout.files, 4)
    labels = loaded.task.splits["valid"].labels
    if task.problem.per_residue:
        assert labels[1][:2].tolist() == [-100, 1]
    else:
        assert labels[:2] == ([0.0, 0.5] if task.problem is Problem.REGRESSION else [0, 1])
    # The lines docs/data.md makes of PEER's own files.
    for path in folder.iterdir():
        lines = "".join(json.dumps(record) + "\n" for record in json.loads(path.read_text()))
        path.with_suffix(".jsonl").write_text(lines)
        path.unlink()
    assert same(load_task(task, tmp_path), loaded)


def proteingym(root: Path, folds: str = "fold_random_5,fold_modulo_5,fold_contiguous_5") -> Path:
    """Variants at 20 places of a protein, in one of ProteinGym's archives."""
    wild_type, lines = sequences(1)[0] * 2, []
    for place in range(20):
        residue = "A" if wild_type[place] != "A" else "G"
        variant = wild_type[:place] + residue + wild_type[place + 1 :]
        numbers = [str(place % 5)] * len([column for column in folds.split(",") if column])
        row = [f"{wild_type[place]}{place + 1}{residue}", variant, str(place / 7), "1", *numbers]
        lines.append(",".join(row))
    folder = root / ("cv_folds_singles_substitutions" if folds else "DMS_ProteinGym_substitutions")
    folder.mkdir()
    header = ["mutant", "mutated_sequence", "DMS_score", "DMS_score_bin", *filter(None, [folds])]
    path = folder / "SPG1_STRSG_Olson_2014.csv"
    path.write_text("\n".join([",".join(header), *lines]) + "\n")
    return folder


def test_proteingym_by_its_folds(tmp_path: Path) -> None:
    task = recipe("proteingym_SPG1_STRSG_Olson_2014")
    folder = proteingym(tmp_path)
    loaded = load_task(task, folder)
    assert loaded.task.monitor == "spearman"
    assert loaded.task.split_by == "fold_random_5"
    assert sizes(loaded) == {"train": 12, "valid": 4, "test": 4}
    assert {len(set(split.groups)) for split in loaded.task.splits.values()} == {3, 1}
    assert loaded.task.splits["test"].ids[0][0].isalpha()
    other = load_task(task, folder, split_by="fold_modulo_5")
    assert other.task.split_by == "fold_modulo_5"
    (tmp_path / "DMS_substitutions.csv").write_text(
        "DMS_id,first_author,year,jo\nX,A,1,b\n"
        "SPG1_STRSG_Olson_2014,Olson,2014,10.1016/j.cub.2014.09.072\n"
    )
    cited = load_task(task, zipped(folder, tmp_path / f"{folder.name}.zip").parent).task.citation
    assert cited.endswith("; Olson et al. 2014, doi:10.1016/j.cub.2014.09.072")
    with pytest.raises(
        MissingFileError, match=r"Did you mean 'SPG1_STRSG_Olson_2014'\?.* Get cv_f"
    ):
        load_task(recipe("proteingym_SPG1_STRSG_Olsen_2014"), tmp_path)


def test_proteingym_without_folds_and_with_several_substitutions(tmp_path: Path) -> None:
    task = recipe("proteingym_SPG1_STRSG_Olson_2014")
    plain = proteingym(tmp_path, folds="")
    assert load_task(task, plain).task.split_by == "position"
    with pytest.raises((UnknownNameError, RecordError), match="fold_random_5"):
        load_task(task, plain, split_by="fold_random_5")
    # Both folders: the one with folds counts.
    proteingym(tmp_path, folds="fold_rand_multiples")
    assert load_task(task, tmp_path).task.split_by == "fold_rand_multiples"


def test_biotrainers_fasta_of_flip(tmp_path: Path) -> None:
    task = recipe("flip_scl_mixed_soft")
    folder = tmp_path / "scl"
    folder.mkdir()
    rows = zip(sequences(10), labels_of(task, 10), SETS, VALIDATION, strict=True)
    entries = [
        f">Sequence{i} TARGET={label} SET={where} VALIDATION={valid}\n{sequence}\n"
        for i, (sequence, label, where, valid) in enumerate(rows)
    ]
    (folder / "mixed_soft.fasta").write_text("".join(entries))
    loaded = load_task(task, tmp_path)
    assert loaded.task.splits["train"].labels == [0, 1, 2, 3]
    # One with labels, sequences and masks is biotrainer's newer way for residues.
    (tmp_path / "secondary_structure").mkdir()
    (tmp_path / "secondary_structure" / "sampled.fasta").write_text(
        ">a TARGET=HEC SET=train MASK=011\nMKV\n>b TARGET=CC SET=val MASK=11\nML\n"
    )
    residues = load_task(recipe("flip_secondary_structure_sampled"), tmp_path).task
    assert residues.splits["train"].labels[0].tolist() == [-100, 1, 2]


def test_deletions_in_aav_are_no_residues(tmp_path: Path) -> None:
    task = recipe("flip_aav_des_mut")
    folder = flip_table(task, tmp_path)
    path = folder / "des_mut.csv"
    text = path.read_text().splitlines()
    first = text[1].split(",")[0]
    text[1] = text[1].replace(first, f"{first[:5]}**{first[7:].lower()}")
    path.write_text("\n".join(text) + "\n")
    loaded = load_task(task, folder)
    assert loaded.proteins[0].sequence == first[:5] + first[7:]
    assert loaded.warnings == ["'*' stands for no residue: left out of 1 sequence"]
    with pytest.raises(RecordError, match=r"des_mut\.csv, line 2 .*letter '\*'"):
        load_own(path, UserData(name="mine"))


def test_rows_of_no_set_are_left_out_and_counted(tmp_path: Path) -> None:
    task = recipe("flip_scl_balanced")
    folder = flip_table(task, tmp_path)
    path = folder / "balanced.csv"
    path.write_text(path.read_text() + f"{sequences(1, seed=9)[0]},Plastid,,\n")
    loaded = load_task(task, folder)
    assert sizes(loaded) == {"train": 4, "valid": 2, "test": 4}
    assert "1 row of no set, as published: left out of the task" in loaded.notes


def test_without_validation_rows_valid_is_drawn_from_train(tmp_path: Path) -> None:
    task = recipe("flip2_ired_two_to_many")
    path = layout_folder(task, tmp_path) / "two_to_many.csv"
    rows = [f"{s},{'test' if i > 19 else 'train'},{i}" for i, s in enumerate(sequences(25))]
    path.write_text("\n".join(["sequence,set,target", *rows]) + "\n")
    loaded = load_task(task, path.parent)
    assert (sizes(loaded), loaded.created_splits) == (
        {"train": 18, "valid": 2, "test": 5},
        ("valid",),
    )
    assert loaded.task.split_by == "random"


def test_labels_that_are_none_of_the_classes_are_refused(tmp_path: Path) -> None:
    task = recipe("flip_sav_mixed")
    folder = flip_table(task, tmp_path, [*labels_of(task, 9), "benign"])
    with pytest.raises(RecordError, match=r"mixed\.csv, line 11 .*'benign'.*neutral, effect"):
        load_task(task, folder)
    task = recipe("flip_conservation_sampled")
    folder = flip_residues(task, tmp_path)
    path = folder / "sampled.fasta"
    path.write_text(path.read_text().replace("123", "023", 1))
    with pytest.raises(RecordError, match="label '0' is no class"):
        load_task(task, folder)


def test_classes_are_letters_and_codes_as_flip_writes_them() -> None:
    bind = recipe("flip_bind_from_publication").classes
    # Bits are small molecule, nucleic acid, metal (splits/bind/README.md).
    for code, name in enumerate(bind[:7]):
        kinds = [kind for bit, kind in ((4, "small"), (2, "nucleic"), (1, "metal")) if code & bit]
        assert all(kind in name for kind in kinds), (code, name)
    assert (bind[0], bind[7]) == ("none", "all three")
    assert recipe("flip_conservation_sampled").classes == tuple("123456789")
    assert recipe("flip_secondary_structure_sampled").classes == ("H", "E", "C")


def test_the_names_of_published_splits() -> None:
    splits: dict[str, set[str]] = {}
    for name in PUBLISHED:
        task = recipe(name)
        assert task.layout is not None
        if "" in task.layout.files:
            splits.setdefault(f"{name.split('_')[0]}/{task.layout.folder}", set()).add(
                task.layout.files[""]
            )
    assert splits == {folder: set(names.split()) for folder, names in SPLITS_OF.items()}


def test_no_published_task_reads_its_own_files_as_user_data_of_that_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a published task"):
        load_own(flip_table(recipe("flip_gb1_two_vs_rest"), tmp_path) / "two_vs_rest.csv",
                 UserData(name="flip_gb1_two_vs_rest"))  # fmt: skip
    assert np.isfinite(load_task(
        recipe("flip_gb1_two_vs_rest"), tmp_path).task.splits["test"].labels).all()  # fmt: skip
