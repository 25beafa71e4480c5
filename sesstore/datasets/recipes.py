"""Recipes: what is known of a published task beside its data, in TOML files in ``data/``.

A file is one recipe, or a family of recipes that differ in the file alone (``[layout.members]``):
its members are called FAMILY_MEMBER, and ``"*"`` stands for whatever the benchmark has a file of.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from ..errors import InputError, UnknownNameError
from ..tasks import Problem
from .layouts import Layout, parse_layout

_ANY = "*"


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
        Hugging Face data set of each source; empty where files have to be named.
    layout : Layout, optional
        How the files are published, where that is not one file a split with the known columns.
    """

    name: str
    title: str
    problem: Problem
    classes: tuple[str, ...]
    metrics: tuple[str, ...]
    monitor: str
    citation: str
    hub: Mapping[str, str]
    layout: Layout | None = None


def recipe_names() -> list[str]:
    """Names of all recipes, but for those of families of any member."""
    names = (_member_names(family, members) for family, members in _families().items())
    return sorted(name for group in names for name in group)


def is_published(name: str) -> bool:
    """Whether there is a recipe of that name."""
    return _place(name) is not None


@cache
def layout_folders() -> frozenset[str]:
    """Folders that benchmarks keep their data sets in."""
    folders = (layout.get("folder") for layout in _layouts().values())
    return frozenset(folder for folder in folders if folder)


def unknown_task(name: str, hint: str) -> UnknownNameError:
    """Return the error for a name that is no published task's; `hint` says what else it may be."""
    families = _families()
    open_names = [f"{family}_<FILE>" for family, members in families.items() if _ANY in members]
    groups = [
        f"{family}_... ({len(members)})" if members and _ANY not in members else family
        for family, members in families.items()
    ]
    names = [*recipe_names(), *open_names]
    return UnknownNameError("task", name, names, hint, known=", ".join(groups))


@cache
def recipe(name: str) -> Recipe:
    """Return the recipe of a task.

    Raises
    ------
    UnknownNameError
        There is none of that name.
    """
    place = _place(name)
    if place is None:
        raise unknown_task(name, "Or name a FASTA file.")
    family, member = place
    return parse_recipe(name, _text(family), member)


@cache
def _layouts() -> dict[str, dict[str, Any]]:
    """Table of the layout of each file of recipes, empty where it has none."""
    folder = resources.files(__package__) / "data"
    files = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    families = [name.removesuffix(".toml") for name in files]
    return {family: tomllib.loads(_text(family)).get("layout", {}) for family in families}


def _families() -> dict[str, tuple[str, ...]]:
    """Members of each file of recipes, none where it is one recipe."""
    return {family: tuple(table.get("members", ())) for family, table in _layouts().items()}


def _member_names(family: str, members: tuple[str, ...]) -> list[str]:
    return [f"{family}_{member}" for member in members if member != _ANY] if members else [family]


def _place(name: str) -> tuple[str, str | None] | None:
    """File and member that a recipe's name stands for."""
    for family, members in _families().items():
        member = name.removeprefix(f"{family}_")
        if not members and name == family:
            return family, None
        if member and member != name and (member in members or _ANY in members):
            return family, member
    return None


def _text(family: str) -> str:
    return (resources.files(__package__) / "data" / f"{family}.toml").read_text("utf-8")


def parse_recipe(name: str, text: str, member: str | None = None) -> Recipe:
    """Read a recipe from TOML, that of one `member` where the text is of a family.

    Raises
    ------
    InputError
        A key is missing, unknown or of the wrong kind.
    """
    try:
        value: dict[str, Any] = tomllib.loads(text)
        layout = value.pop("layout", None)
        classes = value.pop("classes")
        # A number stands for classes without published names.
        names = map(str, range(classes)) if isinstance(classes, int) else classes
        recipe = Recipe(
            name=name,
            problem=Problem(value.pop("problem")),
            classes=tuple(names),
            metrics=tuple(value.pop("metrics")),
            hub=value.pop("hub", {}),
            layout=None if layout is None else parse_layout(layout, member),
            **value,
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as problem:
        raise InputError(f"recipe '{name}': {problem}") from None
    if recipe.monitor not in recipe.metrics:
        raise InputError(f"recipe '{name}': monitor '{recipe.monitor}' is none of its metrics")
    return recipe
