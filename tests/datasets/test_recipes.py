from __future__ import annotations

import pytest

from sesstore.datasets.recipes import parse_recipe, recipe, recipe_names
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


def test_an_unknown_task_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'deeploc_binary'"):
        recipe("deeploc_binray")


@pytest.mark.parametrize(
    "text",
    [
        "title = ",
        'title = "t"',
        'title="t"\nproblem="none"\nclasses=2\nmetrics=["accuracy"]\nmonitor="accuracy"\ncitation=""',
        'title="t"\nproblem="single_label"\nclasses=2\nmetrics=["mcc"]\nmonitor="accuracy"\ncitation=""',
        'title="t"\nproblem="single_label"\nclasses=2\nmetrics=["mcc"]\nmonitor="mcc"\ncitation=""\nx=1',
    ],
)
def test_a_broken_recipe_says_its_name(text: str) -> None:
    with pytest.raises(InputError, match="recipe 'mine'"):
        parse_recipe("mine", text)
