"""The documentation's search, in pages opened as files: no server, no request."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..devtools import QUIET, installed_chromium

ROOT = Path(__file__).resolve().parents[2]


def test_search_finds_pages_opened_as_files(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    pytest.importorskip("material")
    browser = installed_chromium()
    real = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    plugins = [plugin for plugin in real["plugins"] if isinstance(plugin, str)]
    assert "offline" in plugins
    config = {
        "site_name": "small",
        "use_directory_urls": False,
        "theme": {"name": "material", "font": False},
        "extra": real["extra"],
        "plugins": plugins,
    }
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(config))
    shutil.copytree(ROOT / "docs" / "js", tmp_path / "docs" / "js")
    (tmp_path / "docs" / "index.md").write_text("# Home\n\nNothing of the word.\n")
    (tmp_path / "docs" / "other.md").write_text("# Other\n\nThe aardvark sleeps.\n")
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet"]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    page = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert "https://unpkg" not in page
    words = [
        browser, *QUIET, f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=20000", "--dump-dom",
        f"{(tmp_path / 'site' / 'index.html').as_uri()}?q=aardvark",
    ]  # fmt: skip
    shown = subprocess.run(words, capture_output=True, text=True, check=True, timeout=180).stdout
    assert "1 matching document" in shown
    assert "other.html" in shown
