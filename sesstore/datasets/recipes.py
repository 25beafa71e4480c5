"""Recipes: what is known of a published task beside its data. One TOML file each, in ``data/``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from ..errors import InputError, UnknownNameError
from ..tasks import Problem


@dataclass(frozen=True)
class Recipe:
    """A task without its rows.

    Parameters
    ----------
    name : str
        Such as ``"deeploc_binary"``.
    title : str
        What is predicted, in a few words.
    problem : Problem
        Kind of the task.
    classes : tuple of str
        Class names in the order of the label numbers; for regression the name of the quantity.
    metrics : tuple of str
        What is reported.
    monitor : str
        The metric that chooses the best epoch.
    citation : str
        What to cite for the data.
    hub : mapping of str to str
        Hugging Face data set of each source.
    """

    name: str
    title: str
    problem: Problem
    classes: tuple[str, ...]
    metrics: tuple[str, ...]
    monitor: str
    citation: str
    hub: Mapping[str, str]


def recipe_names() -> list[str]:
    """Names of all recipes."""
    folder = resources.files(__package__) / "data"
    names = (entry.name for entry in folder.iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


@cache
def recipe(name: str) -> Recipe:
    """Return the recipe of a task.

    Raises
    ------
    UnknownNameError
        There is none of that name.
    """
    if name not in recipe_names():
        raise UnknownNameError("task", name, recipe_names(), "Or name a FASTA file.")
    text = (resources.files(__package__) / "data" / f"{name}.toml").read_text("utf-8")
    return parse_recipe(name, text)


def parse_recipe(name: str, text: str) -> Recipe:
    """Read a recipe from TOML.

    Raises
    ------
    InputError
        A key is missing, unknown or of the wrong kind.
    """
    try:
        value: dict[str, Any] = tomllib.loads(text)
        classes = value.pop("classes")
        # A number stands for classes without published names.
        names = map(str, range(classes)) if isinstance(classes, int) else classes
        recipe = Recipe(
            name=name,
            problem=Problem(value.pop("problem")),
            classes=tuple(names),
            metrics=tuple(value.pop("metrics")),
            hub=value.pop("hub", {}),
            **value,
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as problem:
        raise InputError(f"recipe '{name}': {problem}") from None
    if recipe.monitor not in recipe.metrics:
        raise InputError(f"recipe '{name}': monitor '{recipe.monitor}' is none of its metrics")
    return recipe
