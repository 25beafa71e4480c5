"""Options of train, sweep and study are the library's settings, defaults included."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields

import click
import pytest
from sesstore_cli.main import group

from sesstore.adapter.adapter_config import POOLINGS, AdapterConfig
from sesstore.adapter.pooling import POOLINGS as CLASSES
from sesstore.service.job_limits import ServiceLimits
from sesstore.training.fit_config import FitConfig

SETTINGS = {f.name: f for config in (AdapterConfig, FitConfig) for f in fields(config)}


def options(*path: str) -> dict[str, click.Parameter]:
    command: click.Command | None = group
    for name in path:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), name)
    assert command is not None
    return {p.name or "": p for p in command.params if isinstance(p, click.Option)}


@pytest.mark.parametrize("path", [("train",), ("study", "ablation"), ("study", "cost")])
def test_defaults_are_those_of_the_configuration(path: tuple[str, ...]) -> None:
    shared = {n: o for n, o in options(*path).items() if n in SETTINGS and n != "device"}
    assert len(shared) >= 7
    for name, option in shared.items():
        by_task = SETTINGS[name].metadata.get("by_task")
        assert option.default == (None if by_task else SETTINGS[name].default), name


def test_serve_offers_the_limits_of_a_service() -> None:
    offered, limits = options("serve"), {f.name: f for f in fields(ServiceLimits)}
    described = {name for name, limit in limits.items() if "help" in limit.metadata}
    assert len(described) >= 7
    for name in described:
        assert offered[name].default == limits[name].default, name


def test_train_offers_every_setting_that_has_a_help() -> None:
    described = {name for name, field in SETTINGS.items() if "help" in field.metadata}
    assert described <= set(options("train"))
    assert {"lr", "weight_decay", "dropout", "schedule", "focal"} <= described


def test_a_sweep_leaves_what_it_does_not_vary_to_the_configuration() -> None:
    varied = {"lr", "pooling", "heads", "width", "head", "dropout", "schedule", "clip", "focal"}
    assert all(options("sweep")[name].to_info_dict()["default"] is None for name in varied)


def test_poolings_are_named_once() -> None:
    assert tuple(CLASSES) == POOLINGS


def test_help_of_train_imports_no_torch() -> None:
    code = (
        "import sys\nfrom sesstore_cli.main import main\n"
        "try:\n    main(['train', '--help'])\nexcept SystemExit:\n    pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
