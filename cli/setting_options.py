"""Options that are fields of a configuration: name, type, default and help are the library's.

`FitConfig` and `AdapterConfig` say them once, so train, sweep and study cannot differ in them;
`ServiceLimits` says those of a service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from functools import cache
from typing import Any, get_type_hints

import click

from .options import Command, several


@cache
def _settings() -> dict[str, tuple[Field[Any], type]]:
    """Fields that can be options, and the type of a value, by name."""
    from sesstore.adapter.adapter_config import AdapterConfig
    from sesstore.training.fit_config import FitConfig

    return _fields(AdapterConfig) | _fields(FitConfig)


def _fields(config: type) -> dict[str, tuple[Field[Any], type]]:
    types = get_type_hints(config)
    return {
        field.name: (field, getattr(types[field.name], "__args__", (types[field.name],))[0])
        for field in fields(config)
        if "help" in field.metadata
    }


def setting_options(*names: str, **defaults: Any) -> Callable[[Command], Command]:
    """Add the options of settings, in this order.

    Parameters
    ----------
    *names : str
        Fields of `AdapterConfig` or `FitConfig`.
    **defaults
        Defaults that differ from the field's.
    """

    def add(command: Command) -> Command:
        for name in reversed(names):
            field, kind = _settings()[name]
            default = None if field.metadata.get("by_task") else field.default
            command = _option(field, kind, defaults.get(name, default))(command)
        return command

    return add


def limit_options(command: Command) -> Command:
    """Add the options of a service's limits."""
    from sesstore.service.job_limits import ServiceLimits

    for field, kind in reversed(_fields(ServiceLimits).values()):
        command = _option(field, kind, field.default)(command)
    return command


def _option(field: Field[Any], kind: type, default: Any) -> Callable[[Command], Command]:
    return click.option(
        _flag(field.name),
        type=_type(field.metadata, kind),
        default=default,
        show_default=default is not None,
        help=field.metadata["help"],
    )


def varied_options(
    read_number: Callable[[str], Any], **helps: str | None
) -> Callable[[Command], Command]:
    """Add the options of settings that take several values.

    Parameters
    ----------
    read_number : callable
        Reads a value of a setting that is a fraction.
    **helps : str or None
        By setting what its values are; None where its choices, or else its own help, say it.
    """

    def add(command: Command) -> Command:
        for name, text in reversed(helps.items()):
            field, kind = _settings()[name]
            choices = field.metadata.get("choices", ())
            command = click.option(
                _flag(name),
                callback=several(read_number if kind is float else kind),
                help=text or (f"Of {', '.join(choices)}." if choices else field.metadata["help"]),
            )(command)
        return command

    return add


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _type(facts: Mapping[str, Any], kind: type) -> Any:
    if "choices" in facts:
        return click.Choice(facts["choices"])
    if facts.get("share"):
        return click.FloatRange(0, 1, max_open=True)
    if "least" in facts:
        return click.IntRange(facts["least"], facts.get("most"))
    return kind
