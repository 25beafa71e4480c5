from __future__ import annotations

import io
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from sesstore_cli.main import COMMANDS

from sesstore import __version__


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(cli, name: str) -> None:
    said = cli(name, "--help")
    assert said.status == 0
    assert "Example:" in said.out
    assert f"sesstore {name}" in said.out
    assert "--json" in said.out


def test_the_first_help_lists_every_command(cli) -> None:
    said = cli("--help")
    assert all(f"  {name} " in said.out for name in COMMANDS)
    assert cli("--version").out.strip().endswith(__version__)


def test_a_wrong_command_gets_a_suggestion(cli) -> None:
    said = cli("embd")
    assert said.status == 2
    assert said.err == "error: no command is called 'embd'. Did you mean 'embed'?\n"


def test_errors_are_json_too_where_that_was_asked_for(cli) -> None:
    said = cli("train", "nothing", "--json")
    assert said.status == 2
    assert said.json.keys() == {"error", "kind"}
    assert said.err.startswith("error: ")


def test_listing_never_imports_torch(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from sesstore.store import Store\n"
        f"Store.create(__import__('pathlib').Path({str(tmp_path / 'store')!r}))\n"
        "from sesstore_cli.main import main\n"
        "try:\n"
        f"    main(['ls', '--store', {str(tmp_path / 'store')!r}])\n"
        "finally:\n"
        "    assert 'torch' not in sys.modules and 'mdtraj' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "0 sequences" in done.stdout


def test_packages_of_setup_cfg_are_the_folders() -> None:
    from configparser import ConfigParser

    root = Path(__file__).resolve().parents[2]
    config = ConfigParser()
    config.read(root / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    found = {
        ".".join(init.parent.relative_to(root).parts)
        for init in (root / "sesstore").rglob("__init__.py")
    }
    assert listed == found | {"sesstore_cli"}


def test_ctrl_c_is_130(cli, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("the signal came")

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Interrupted()))
    # Of a job in the background a shell has the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        said = cli("predict", trained, "-", "--json")
    finally:
        signal.signal(signal.SIGINT, before)
    assert said.status == 130
    assert said.err.splitlines()[-1] == "error: interrupted"
    assert said.json == {"error": "interrupted", "kind": "Interrupted"}


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_file_of_the_command(closed: str, tmp_path: Path) -> None:
    """As a service starts it: the first file that a command opens must not become its output."""
    code = (
        "import os; from sesstore_cli.wording import prepare_streams; prepare_streams(); "
        "file = os.open('stored', os.O_RDWR | os.O_CREAT); print('said', file=__import__('sys')"
        ".stderr); os.write(1, b'said'); os.write(2, b'said'); os.read(0, 1); "
        "os.system('echo said; echo said >&2; read word'); os.write(file, b'stored')"
    )
    command = [sys.executable, "-c", code]
    shell = ["/bin/sh", "-c", f'"$@" {closed}', "sh"]
    subprocess.run([*shell, *command], cwd=tmp_path, check=True, stdin=subprocess.DEVNULL)
    assert (tmp_path / "stored").read_bytes() == b"stored"

    ls = [sys.executable, "-m", "sesstore_cli.main", "ls", "--store", str(tmp_path / "absent")]
    ended = subprocess.run([*shell, *ls], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 2
    lines = ended.stderr.splitlines()
    assert len(lines) == (0 if "2>" in closed else 1), ended.stderr
