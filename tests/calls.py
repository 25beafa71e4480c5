"""What functions of the library are called with, instead of calling them."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sesstore_cli
from sesstore_cli.output import Output

import sesstore
from sesstore.api.stores import OpenStore
from sesstore.encoders.catalogue import EncoderSpec
from sesstore.jobs.embedding.protein_sets import ProteinSet
from sesstore.store import Store


def plain(value: Any) -> Any:
    """Return an argument as the table writes it; of a data class what is not its default."""
    if isinstance(value, Store | OpenStore):
        return f"store {getattr(value, 'store', value).path.name}"
    if isinstance(value, Output):
        return "output"
    if isinstance(value, SimpleNamespace | EncoderSpec | ProteinSet):
        return getattr(value, "name", "namespace")
    if isinstance(value, Path):
        # What is written beside its place first has a random name there.
        return value.name.rpartition(".")[2] if value.name.startswith(".") else str(value)
    if isinstance(value, partial):
        return plain([value.func.__name__, *value.args, value.keywords])
    if is_dataclass(value) and not isinstance(value, type):
        entries = {field.name: getattr(value, field.name) for field in fields(value)}
        defaults = {
            field.name: field.default
            if field.default_factory is MISSING
            else field.default_factory()
            for field in fields(value)
        }
        return plain({k: v for k, v in entries.items() if v != defaults[k]})
    if isinstance(value, Mapping):
        return {name: plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple | map):
        return [plain(entry) for entry in value]
    return value if isinstance(value, str | int | float | None) else type(value).__name__


@cache
def import_everything() -> None:
    """Import all modules: one that is first imported later would keep what stands in now."""
    for package in (sesstore, sesstore_cli):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            with suppress(ImportError):  # of what an extra brings
                import_module(module.name)


def record(
    monkeypatch: pytest.MonkeyPatch, names: list[str], answers: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """Replace functions of the library, and keep what each is called with.

    Parameters
    ----------
    names : list of str
        Such as ``jobs.add.load``; the last one ends what called it by `SystemExit`.
    answers : dict
        What the others return, None by default.
    """
    import_everything()
    calls: dict[str, list[dict[str, Any]]] = {}

    def replace(name: str) -> None:
        place, _, function = name.rpartition(".")
        holder = pkgutil.resolve_name(f"sesstore.{place}")
        signature = inspect.signature(getattr(holder, function))

        def call(*args: Any, **kwargs: Any) -> Any:
            arguments = signature.bind(*args, **kwargs).arguments
            calls.setdefault(name, []).append({k: plain(v) for k, v in arguments.items()})
            if name == names[-1]:
                raise SystemExit(0)
            answer = answers.get(name)
            return list(answer) if isinstance(answer, list) else answer  # the caller may add to it

        call.__name__ = function  # as what is bound to arguments is shown
        monkeypatch.setattr(holder, function, call)

    for name in names:
        replace(name)
    return calls
