"""Which files are asked of Hugging Face, what a package brings, and whose files a place holds."""

from __future__ import annotations

import hashlib
import io
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from sesstore.encoders import weights
from sesstore.encoders.registry import spec
from sesstore.errors import MissingExtraError, MissingFileError, WeightsError
from sesstore.provenance import sha256_json


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """What is asked of Hugging Face's library, of which a stand-in takes the place."""
    calls: list[tuple[str, list[str]]] = []
    library, errors = ModuleType("huggingface_hub"), ModuleType("huggingface_hub.errors")

    def snapshot_download(repository: str, *, allow_patterns: list[str]) -> str:
        calls.append((repository, allow_patterns))
        if repository.endswith("ProstT5"):
            raise errors.LocalEntryNotFoundError("no such entry\nmore words")  # type: ignore[attr-defined]
        return f"/hub/{repository}"

    library.snapshot_download = snapshot_download  # type: ignore[attr-defined]
    for name in ("HfHubHTTPError", "LocalEntryNotFoundError"):
        setattr(errors, name, type(name, (Exception,), {}))
    monkeypatch.setitem(sys.modules, "huggingface_hub", library)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", errors)
    return calls


def test_a_folder_is_downloaded_with_what_it_needs_and_no_more(hub) -> None:
    assert weights.find(spec("prott5")) == Path("/hub/Rostlab/prot_t5_xl_half_uniref50-enc")
    assert weights.find(spec("esmc_300m")) == Path("/hub/biohub/ESMC-300M")
    assert [repository for repository, _ in hub] == [
        spec(n).repository for n in ("prott5", "esmc_300m")
    ]
    for (_, patterns), weight in zip(
        hub, ("pytorch_model*.bin", "model*.safetensors"), strict=True
    ):
        assert sorted(patterns) == sorted(["*.json", "*.txt", "spiece.model", weight])
    with pytest.raises(WeightsError, match=r"cannot be reached \(no such entry\)\. Get"):
        weights.find(spec("prostt5"))


@pytest.mark.parametrize("length", [None, "7", "8"])
def test_a_hub_need_not_say_how_long_a_file_is(monkeypatch, length: str | None) -> None:
    asked = []

    class Answer(io.BytesIO):
        headers = {} if length is None else {"Content-Length": length}

    monkeypatch.setattr(
        weights.urllib.request,
        "urlopen",
        lambda url, timeout: (asked.append((url, timeout)), Answer(b"weights"))[1],
    )
    monkeypatch.delenv("SESSTORE_ESM_HUB")
    known = spec("esm2_t6")
    target = weights.hub_folder() / known.files[0]
    if length == "8":
        with pytest.raises(WeightsError, match="broke off"):
            weights.find(known)
    else:
        assert weights.find(known) == target
        assert target.read_bytes() == b"weights"
    assert asked == [(f"https://dl.fbaipublicfiles.com/fair-esm/models/{known.files[0]}", 30)]
    assert [file.name for file in target.parent.iterdir()] == (
        [] if length == "8" else [target.name]
    )


def test_what_is_here_is_not_downloaded_again(hub, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert weights.find(spec("prott5"), tmp_path) == tmp_path
    with pytest.raises(MissingFileError):
        weights.find(spec("prott5"), tmp_path / "gone")
    assert hub == []


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with weights, of which nothing may be imported."""
    place = tmp_path / "site" / "weightpack"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(place.parent)
    return place


def test_weights_of_a_package_a_file_or_a_model_folder(package: Path, tmp_path: Path) -> None:
    known = replace(spec("near"), package="weightpack", files=("inner/weights.npz",))
    assert weights.packaged(known) is None
    with pytest.raises(MissingExtraError, match=r"encoder 'near' .*sesstore\[near\]"):
        weights.find_packaged(known)
    (package / "inner").mkdir()
    file = package / "inner" / "weights.npz"
    file.write_bytes(b"weights")
    assert weights.packaged(known) == weights.find_packaged(known) == weights.located(known) == file
    (package / "inner" / "config.json").write_text("{}")
    assert weights.packaged(known) == package / "inner"
    own = tmp_path / "own.npz"
    own.write_bytes(b"mine")
    assert weights.find_packaged(known, own) == own
    with pytest.raises(MissingFileError):
        weights.find_packaged(known, tmp_path / "gone")
    assert weights.packaged(replace(known, package="no-such-package")) is None
    assert weights.packaged(replace(known, package="")) is None
    (tmp_path / "lone.py").write_text("")
    assert weights.packaged(replace(known, package="json.decoder")) is None  # has no folder


def test_a_variable_that_holds_another_model_does_not_hide_the_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SESSTORE_WEIGHTS", str(tmp_path))
    known = spec("esm2_t6")
    cached = weights.hub_folder() / known.files[0]
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"cached")
    assert weights.present(known) == cached
    assert weights.present(spec("esm2_t12")) is None
    file = tmp_path / "mine.pt"
    file.write_bytes(b"any")
    monkeypatch.setenv("SESSTORE_WEIGHTS", str(file))
    assert weights.present(known) == file
    assert weights.present(known, by_name=True) == weights.located(known) == cached


def test_of_a_folder_of_several_models_the_encoders_own_counts(tmp_path: Path) -> None:
    known = spec("esm2_t6")
    for folder in (tmp_path, tmp_path / known.full_name):
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text("{}")
    assert weights.present(known, tmp_path) == tmp_path / known.full_name
    (tmp_path / known.files[0]).write_bytes(b"weights")
    assert weights.present(known, tmp_path) == tmp_path / known.files[0]
    near = tmp_path / "weights.npz"
    near.write_bytes(b"weights")
    assert weights.present(replace(spec("near"), package=""), tmp_path) == near


@pytest.mark.parametrize(
    ("name", "counts"),
    [("model.safetensors", True), ("pytorch_model.bin", True), ("model.bin", True),
     ("model-00001-of-00002.safetensors", True), ("model copy.safetensors", False),
     ("model.safetensors.index.json", False), ("my_model.bin", False), ("modelXbin", False)],
)  # fmt: skip
def test_what_is_a_weight_file_of_a_folder(tmp_path: Path, name: str, counts: bool) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / name).write_bytes(b"12345")
    assert weights.size_on_disk(tmp_path) == 5 * counts
    assert weights.size_on_disk(tmp_path / name) == 5
    known = spec("prott5")
    assert weights.present(known, tmp_path / name) == (tmp_path if counts else tmp_path / name)


def test_several_files_are_hashed_by_name_and_content(tmp_path: Path) -> None:
    files = [tmp_path / "a.bin", tmp_path / "b.bin"]
    for file in files:
        file.write_bytes(file.name.encode())
    hashes = {file.name: hashlib.sha256(file.name.encode()).hexdigest() for file in files}
    assert weights.sha256_of_all(files[:1]) == hashes["a.bin"]
    assert weights.sha256_of_all(files) == weights.sha256_of_all(files[::-1]) == sha256_json(hashes)


def test_a_record_that_is_broken_or_of_another_file_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SESSTORE_CACHE", str(tmp_path / "cache"))
    file, digest = tmp_path / "w.pt", hashlib.sha256(b"weights").hexdigest()
    file.write_bytes(b"weights")
    assert weights.sha256_of(file) == digest
    (record,) = (tmp_path / "cache" / "weights-sha256").iterdir()
    for content in ("{", "{}", "[]", '{"key": "another", "sha256": "x"}'):
        record.write_text(content)
        assert weights.sha256_of(file) == digest
    monkeypatch.setenv("SESSTORE_CACHE", str(file / "no-folder"))  # none can be made there
    assert weights.sha256_of(file) == digest
