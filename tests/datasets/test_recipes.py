from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sesstore.datasets.columns import Columns
from sesstore.datasets.recipes import (
    is_published,
    layout_folders,
    parse_recipe,
    recipe,
    recipe_names,
)
from sesstore.errors import InputError, UnknownNameError
from sesstore.tasks import Problem
from sesstore.training.metrics import METRICS


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_whole(name: str) -> None:
    found = recipe(name)
    assert found.title
    assert found.citation
    assert set(found.metrics) <= set(METRICS[found.problem])
    assert found.hub.keys() <= {"alphafold2", "esmfold"}
    assert bool(found.hub) != (found.layout is not None)
    assert re.search(r"doi:10\.\d{4,}/\S+|arXiv:\d{4}\.\d{5}", found.citation)


@pytest.mark.parametrize(
    ("name", "problem", "classes"),
    [
        ("deeploc_binary", Problem.SINGLE_LABEL, 2),
        ("deeploc_multi", Problem.SINGLE_LABEL, 10),
        ("metal_ion_binding", Problem.SINGLE_LABEL, 2),
        ("thermostability", Problem.REGRESSION, 1),
        ("ec", Problem.MULTI_LABEL, 585),
        ("go_bp", Problem.MULTI_LABEL, 1943),
        ("go_cc", Problem.MULTI_LABEL, 320),
        ("go_mf", Problem.MULTI_LABEL, 489),
    ],
)
def test_the_tasks_of_the_paper(name: str, problem: Problem, classes: int) -> None:
    found = recipe(name)
    assert (found.problem, len(found.classes)) == (problem, classes)


LOCATIONS = (
    "Nucleus", "Cytoplasm", "Extracellular", "Mitochondrion", "Cell.membrane",
    "Endoplasmic.reticulum", "Plastid", "Golgi.apparatus", "Lysosome/Vacuole", "Peroxisome",
)  # fmt: skip
"""Published names of the labels 0 to 9 of DeepLoc's ten compartments."""


def words(name: str) -> list[str]:
    return [word for word in re.findall("[a-z]+", name.lower()) if word != "or"]


def test_the_ten_compartments_are_in_the_published_order() -> None:
    assert [words(name) for name in recipe("deeploc_multi").classes] == [*map(words, LOCATIONS)]


@pytest.mark.parametrize("name", [name for name in recipe_names() if recipe(name).hub])
def test_classes_are_what_the_files_themselves_say(name: str, shared_data: Path) -> None:
    """Every label is a class, and where a row also says it in words, they are the class's."""
    files = sorted((shared_data / name).glob("*/*.jsonl"))
    if not files:
        pytest.skip(f"no files of {name}")
    found = recipe(name)
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    if found.problem is Problem.REGRESSION:
        assert {type(row["label"]) for row in rows} <= {int, float}
        return
    if found.problem is Problem.MULTI_LABEL:
        assert {code for row in rows for code in row["label"]} <= set(range(len(found.classes)))
        return
    assert {row["label"] for row in rows} == set(range(len(found.classes)))
    for row in rows:
        theirs = "".join(words(row["location"])) if "location" in row else ""
        assert "".join(words(found.classes[row["label"]])).startswith(theirs)


def test_the_page_names_every_recipe_and_no_other() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/data.md").read_text("utf-8")
    names = set()
    for cell in re.findall(r"^\| (`(?:flip|peer)[^|]+) \|", page, re.M):
        first, *others = re.findall(r"`(\w+)`", cell)
        names |= {f"{first}{name}" for name in others} if first[-1] == "_" else {first, *others}
    benchmarks = {name for name in recipe_names() if recipe(name).layout is not None}
    assert names == benchmarks
    for name in set(recipe_names()) - benchmarks:
        assert f"`{name}`" in page


def test_an_unknown_task_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'deeploc_binary'"):
        recipe("deeploc_binray")


def test_a_family_is_named_by_its_beginning_and_listed_as_one() -> None:
    with pytest.raises(UnknownNameError, match="Which of flip_gb1_low_vs_high, flip_gb1_one_vs_"):
        recipe("flip_gb1")
    with pytest.raises(UnknownNameError, match=r"Did you mean 'proteingym_<FILE>'"):
        recipe("proteingym")
    with pytest.raises(UnknownNameError, match="Did you mean 'flip_gb1_two_vs_rest'"):
        recipe("flip_gb1_two_vs_ret")
    with pytest.raises(UnknownNameError) as caught:
        recipe("zzzz")
    assert "flip_gb1_... (4), flip_meltome_... (3)" in str(caught.value)
    assert "proteingym" in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert not is_published("proteingym_")
    assert is_published("proteingym_SPG1_STRSG_Olson_2014")


@pytest.mark.parametrize(
    "text",
    [
        "title = ",
        'title = "t"',
        'title="t"\nproblem="none"\nclasses=2\nmetrics=["accuracy"]\nmonitor="accuracy"\ncitation=""',
        'title="t"\nproblem="single_label"\nclasses=2\nmetrics=["mcc"]\nmonitor="accuracy"\ncitation=""',
        'title="t"\nproblem="single_label"\nclasses=2\nmetrics=["mcc"]\nmonitor="mcc"\ncitation=""\nx=1',
        'title="t"\nproblem="single_label"\nclasses=2\nmetrics=["mcc"]\nmonitor="mcc"\ncitation=""\n[layout]\nx=1',
    ],
)
def test_a_broken_recipe_says_its_name(text: str) -> None:
    with pytest.raises(InputError, match="recipe 'mine'"):
        parse_recipe("mine", text)


WHOLE = """
title = "where it is"
problem = "single_label"
classes = ["in", "out"]
metrics = ["mcc", "accuracy"]
monitor = "accuracy"
citation = "doi:10.1/x"
[hub]
pdb = "owner/data"
"""
LAYOUT = """
[layout]
origin = "there.zip"
folder = "set"
split_by = ["family", "position"]
gaps = "*"
reference = "sources"
columns = {label = "score", mask = "seen"}
members = {a = "file_a", b = "file_b", "*" = "rest"}
"""


def test_all_that_a_recipe_says() -> None:
    read = parse_recipe("mine", WHOLE)
    assert (read.name, read.title, read.problem) == ("mine", "where it is", "single_label")
    assert (read.classes, read.metrics, read.monitor) == (
        ("in", "out"), ("mcc", "accuracy"), "accuracy",
    )  # fmt: skip
    assert (read.citation, read.hub, read.layout) == ("doi:10.1/x", {"pdb": "owner/data"}, None)
    numbered = parse_recipe("mine", WHOLE.replace('["in", "out"]', "3").split("[hub]")[0])
    assert (numbered.classes, numbered.hub) == (("0", "1", "2"), {})


@pytest.mark.parametrize(("member", "file"), [("a", "file_a"), ("b", "file_b"), ("c", "c")])
def test_a_member_of_a_family_has_its_file(member: str, file: str) -> None:
    layout = parse_recipe(f"mine_{member}", WHOLE + LAYOUT, member).layout
    assert layout is not None
    assert layout.files == {"": file}
    assert (layout.origin, layout.folder, layout.gaps) == ("there.zip", "set", "*")
    assert (layout.split_by, layout.reference) == (("family", "position"), "sources")
    assert layout.columns == Columns(label="score", mask="seen")
    named = LAYOUT.split("members")[0] + 'files = {train = "t", test = "e"}\n'
    files = parse_recipe("mine", WHOLE + named).layout
    assert files is not None
    assert files.files == {"train": "t", "test": "e"}


def test_names_of_recipes_and_folders() -> None:
    names = recipe_names()
    assert names == sorted(set(names))
    assert {"ec", "flip_gb1_low_vs_high", "peer_fluorescence"} <= set(names)
    assert not any(name.startswith("proteingym") or "*" in name for name in names)
    assert all(is_published(name) for name in names)
    assert not any(map(is_published, ["flip_gb1", "flip_gb1_", "flip_gb1_none", "ec_", "", "e"]))
    assert recipe("flip_gb1_low_vs_high").name == "flip_gb1_low_vs_high"
    assert layout_folders() >= {"gb1", "aav", "meltome"}
    assert "" not in layout_folders()
