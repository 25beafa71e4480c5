"""The real client against a hub-shaped server on localhost."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("huggingface_hub")

import huggingface_hub

from sesstore.datasets.hub import chosen_source, download
from sesstore.datasets.load import LoadedTask
from sesstore.datasets.recipes import recipe
from sesstore.errors import InputError, MissingExtraError, MissingFileError
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


class Answer:
    """As much of an HTTP answer as an error of the client carries."""

    def __init__(self, status: int) -> None:
        self.status_code = status


def refusal(
    status: int | None = None, message: str = "", cause: Exception | None = None
) -> OSError:
    problem = OSError(message)
    problem.__cause__ = cause
    if status is not None:
        problem.response = Answer(status)  # type: ignore[attr-defined]
    return problem


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        *[(refusal(status), rf"without a token \(HTTP {status}\)") for status in (401, 403, 404)],
        (refusal(500), r": the hub answers with HTTP 500\. Get"),
        (refusal(402), r": the hub answers with HTTP 402\. Get"),
        (refusal(message="no route\nto it"), r": the hub cannot be reached \(no route\)\. Get"),
        (refusal(message="x", cause=OSError("timed out")), r"cannot be reached \(timed out\)"),
        (refusal(message="x", cause=TimeoutError()), r"cannot be reached \(TimeoutError\)"),
    ],
)
def test_why_nothing_was_fetched(
    problem: OSError, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise problem

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(MissingFileError, match=rf"{NAME}.*{told}.*--source SOURCE"):
        download(recipe("deeploc_binary"), "alphafold2")


def test_the_data_of_the_source_are_fetched_and_no_other_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    requests: list[tuple[str, dict[str, Any]]] = []

    def fetch(repository: str, **choices: Any) -> str:
        requests.append((repository, choices))
        return str(tmp_path)

    (tmp_path / "train.csv").touch()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example")
    fetched = download(recipe("deeploc_binary"), "esmfold")
    ((repository, choices),) = requests
    assert repository == "AI4Protein/DeepLocBinary_ESMFold"
    assert set(choices.pop("allow_patterns")) == {
        "train.csv", "valid.csv", "validation.csv", "test.csv",
    }  # fmt: skip
    assert choices == {
        "repo_type": "dataset",
        "endpoint": "https://mirror.example",
        "cache_dir": str(tmp_path / "cache"),
    }
    assert fetched.folder == tmp_path
    assert repository in fetched.note


def test_the_client_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"downloading 'deeploc_binary'.*sesstore\[hf\]"):
        download(recipe("deeploc_binary"), "alphafold2")
