"""The real client against a hub-shaped server on localhost."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("huggingface_hub")

from sesstore.datasets.hub import chosen_source
from sesstore.datasets.load import LoadedTask
from sesstore.datasets.recipes import recipe
from sesstore.errors import InputError, MissingFileError
from sesstore.jobs.add import load

from .hubserver import COMMIT, serve

NAME = "AI4Protein/DeepLocBinary_AlphaFold2"


def table(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def published(sequence: str, label: int) -> dict[str, Any]:
    return {
        "name": f"P{sequence}",
        "aa_seq": sequence,
        "foldseek_seq": "D" * len(sequence),
        "ss8_seq": "L" * len(sequence),
        "label": label,
        "location": "S" if label else "M",
    }


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is fetched in the test's folder."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)


FILES = {
    "README.md": b"# a card",
    "train.csv": table([published("MKV", 0), published("MKL", 1)]),
    "valid.csv": table([published("MVV", 1)]),
    "test.csv": table([published("MLL", 0)]),
}


def test_a_published_task_is_fetched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve({NAME: FILES}) as (endpoint, asked):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        loaded = load("deeploc_binary", source="alphafold2")
        fetched = [path for path in asked if "/resolve/" in path and path.startswith("GET")]
        assert len(fetched) == 3
        again = load("deeploc_binary", source="alphafold2")
        assert [path for path in asked if path.startswith("GET") and "/resolve/" in path] == fetched
    assert isinstance(loaded, LoadedTask)
    assert isinstance(again, LoadedTask)
    assert {name: len(split) for name, split in loaded.task.splits.items()} == {
        "train": 2,
        "valid": 1,
        "test": 1,
    }
    assert loaded.task.splits["train"].labels == [0, 1]
    assert {tokens.source for tokens in loaded.tokens} == {"alphafold2"}
    assert loaded.task.notes == (f"data from Hugging Face's {NAME}, commit {COMMIT}",)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    offline = load("deeploc_binary", source="alphafold2")
    assert isinstance(offline, LoadedTask)
    assert offline.task.data_digest == loaded.task.data_digest == again.task.data_digest


def test_what_is_absent_is_said_with_the_way_around(monkeypatch: pytest.MonkeyPatch) -> None:
    advice = rf"{NAME}.*sesstore add deeploc_binary --data FOLDER"
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(MissingFileError, match=f"cannot be reached.*{advice}|{advice}"):
        load("deeploc_binary", source="alphafold2")
    with serve({}) as (endpoint, _):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        with pytest.raises(MissingFileError, match=rf"{NAME}.*no such data set.*--data FOLDER"):
            load("deeploc_binary", source="alphafold2")
    with serve({NAME: {"README.md": b"x"}}) as (endpoint, _):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        with pytest.raises(MissingFileError, match=r"it has no file train\.csv"):
            load("deeploc_binary", source="alphafold2")


def test_a_broken_row_names_the_fetched_file(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {**FILES, "valid.csv": FILES["valid.csv"].replace(b"MVV", b"M7V")}
    with serve({NAME: files}) as (endpoint, _):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        with pytest.raises(InputError, match=r"valid\.csv, line 2"):
            load("deeploc_binary", source="alphafold2")


def test_whose_structures() -> None:
    assert chosen_source(recipe("deepsol"), None) == "esmfold"
    with pytest.raises(InputError, match=r"--source \(there are: alphafold2, esmfold\)"):
        chosen_source(recipe("ec"), None)
    with pytest.raises(InputError, match="of esmfold, not of 'alphafold2'"):
        chosen_source(recipe("deepsolue"), "alphafold2")


def test_the_note_is_kept_with_the_task(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from sesstore.jobs.add import add
    from sesstore.store import Store

    with serve({NAME: FILES}) as (endpoint, _):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        loaded = load("deeploc_binary", source="alphafold2")
    store = Store.create(tmp_path / "store")
    add(store, loaded)
    assert COMMIT in json.dumps(store.task("deeploc_binary").notes)
    assert add(store, loaded).notes[-1] == "it was here already, the same"
