"""Commands that messages, help and documents tell people to type: each is one that parses."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from sesstore_cli.main import COMMANDS, group
from sesstore_cli.wording import STORELESS, agreeing, naming_store

ROOT = Path(__file__).resolve().parents[2]
HINT = re.compile(r"`(sesstore [a-z]+(?: [^`]*)?)`")


def texts(path: Path) -> Iterator[str]:
    """Texts of a module, with an X for what is filled in."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(p.value) if isinstance(p, ast.Constant) else "X" for p in node.values)


def commands() -> list[str]:
    """Every command line in messages, docstrings, help and documents."""
    found = set()
    for path in [*ROOT.glob("sesstore/**/*.py"), *ROOT.glob("cli/*.py")]:
        for text in texts(path):
            found |= {" ".join(hint.split()) for hint in HINT.findall(text)}
    for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")]:
        text = path.read_text()
        found |= set(HINT.findall(text)) | set(re.findall(r"^\$ (sesstore .*)$", text, re.M))
    for name in COMMANDS:
        command = group.get_command(click.Context(group), name)
        assert command is not None
        text = (command.help or "").replace("\\\n", " ")
        found |= set(re.findall(r"^\s*(sesstore .*)$", text, re.M))
    return sorted(found)


def check(words: list[str]) -> None:
    """Raise unless the command and its options exist, and each option has its value."""
    command: click.Command = group
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        inner = command.get_command(click.Context(command), words[0])
        assert inner is not None, f"no command {words[0]}"
        command, words = inner, words[1:]
    options = {
        name: one
        for one in command.params
        for name in (*one.opts, *one.secondary_opts)
        if name.startswith("-")
    }
    options["--help"] = click.Option(["--help"], is_flag=True)
    for place, word in enumerate(words):
        if not word.startswith("--"):
            continue
        name, equals, _ = word.partition("=")
        assert name in options, f"{command.name} has no {name}"
        option = options[name]
        assert isinstance(option, click.Option)
        # An option that ends a hint is only named: "what `sesstore add --source` said".
        if not option.is_flag and not equals and words[place + 1 :]:
            assert not words[place + 1].startswith("--"), f"{name} has no value"


def test_there_are_many() -> None:
    assert len(commands()) > 80


@pytest.mark.parametrize("line", commands())
def test_a_hint_parses(line: str) -> None:
    line = re.split(r"\s#|\s[;|>]|;", line)[0]
    check(shlex.split(line)[1:])


def test_storeless_commands_are_those_without_the_option() -> None:
    without = set()
    for name in COMMANDS:
        command = group.get_command(click.Context(group), name)
        assert command is not None
        ways = [command]
        if isinstance(command, click.Group):
            ways = list(command.commands.values())
        if not all(any("--store" in one.opts for one in way.params) for way in ways):
            without.add(name)
    assert without == STORELESS


def test_hints_name_the_store_that_was_named() -> None:
    hint = "Add it with `sesstore add X`, see `sesstore plms`."
    assert naming_store(hint, None) == hint
    said = "Add it with `sesstore add X --store 'my lab'`, see `sesstore plms`."
    assert naming_store(hint, "my lab") == said
    assert naming_store(said, "other") == said


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("1 proteins have no embedding", "1 protein has no embedding"),
        ("error: 1 whole segments are here", "error: 1 whole segment is here"),
        ("(1 proteins' tokens)", "(1 protein's tokens)"),
        ("1 more classes; 1 entries of 1", "1 more class; 1 entry of 1"),
        ("11 proteins, 0.1 proteins, 1,001 rows", "11 proteins, 0.1 proteins, 1,001 rows"),
        ("1 of 4 seeds, 1 of 1 proteins", "1 of 4 seeds, 1 of 1 proteins"),
        ("epoch 1 was best, 1 this", "epoch 1 was best, 1 this"),
    ],
)
def test_one_is_one(text: str, right: str) -> None:
    assert agreeing(text) == right
