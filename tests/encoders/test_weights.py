"""Where weights are searched, what is said when they are nowhere, and hashing once."""

from __future__ import annotations

import hashlib
import http.server
import os
import sys
import threading

import pytest

from sesstore.cache_folders import cache_folder
from sesstore.encoders import weights
from sesstore.encoders.registry import spec
from sesstore.errors import MissingFileError, WeightsError

NAME = "esm2_t6_8M_UR50D.pt"


def test_the_given_file_or_folder(tmp_path):
    file = tmp_path / NAME
    file.write_bytes(b"weights")
    assert weights.find(spec("esm2_t6"), file) == file
    assert weights.find(spec("esm2_t6"), tmp_path) == file


def test_a_given_file_must_exist(tmp_path):
    with pytest.raises(MissingFileError, match=r"gone\.pt"):
        weights.find(spec("esm2_t6"), tmp_path / "gone.pt")


def test_a_given_folder_must_hold_it(tmp_path):
    with pytest.raises(WeightsError, match=NAME):
        weights.find(spec("esm2_t6"), tmp_path)


def test_the_variable_names_a_file_or_a_folder(tmp_path, monkeypatch):
    file = tmp_path / NAME
    file.write_bytes(b"weights")
    for named in (file, tmp_path):
        monkeypatch.setenv("SESSTORE_WEIGHTS", str(named))
        assert weights.find(spec("esm2_t6")) == file
    monkeypatch.setenv("SESSTORE_WEIGHTS", str(tmp_path / "gone"))
    with pytest.raises(MissingFileError, match="SESSTORE_WEIGHTS"):
        weights.find(spec("esm2_t6"))


def test_what_is_given_comes_before_the_variable_and_that_before_caches(tmp_path, monkeypatch):
    places = [tmp_path / "given", tmp_path / "variable", weights.hub_folder()]
    for place in places:
        place.mkdir(parents=True)
        (place / NAME).write_bytes(str(place).encode())
    monkeypatch.setenv("SESSTORE_WEIGHTS", str(places[1]))
    assert weights.find(spec("esm2_t6"), places[0]) == places[0] / NAME
    assert weights.find(spec("esm2_t6")) == places[1] / NAME
    monkeypatch.delenv("SESSTORE_WEIGHTS")
    assert weights.find(spec("esm2_t6")) == places[2] / NAME


def test_the_hub_cache_of_torch():
    folder = weights.hub_folder()
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(b"weights")
    assert weights.find(spec("esm2_t6")) == folder / NAME


def test_offline_it_says_which_file_and_where():
    with pytest.raises(WeightsError) as said:
        weights.find(spec("esm2_t6"))
    for word in (NAME, str(weights.hub_folder()), "--weights", "SESSTORE_WEIGHTS"):
        assert word in str(said.value)


@pytest.mark.parametrize("library", [True, False])
def test_offline_it_says_which_files_of_a_folder(monkeypatch, library):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    if library:
        pytest.importorskip("huggingface_hub")
    else:
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(WeightsError) as said:
        weights.find(spec("prott5"))
    words = [*spec("prott5").files, spec("prott5").repository, "--weights", "SESSTORE_WEIGHTS"]
    for word in words if library else [*words, "sesstore[hf]"]:
        assert word in str(said.value)


def test_it_downloads_once(tmp_path, monkeypatch):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "served"))

        def log_message(self, *_):
            """Say nothing."""

    (tmp_path / "served").mkdir()
    (tmp_path / "served" / NAME).write_bytes(b"weights" * 1000)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("SESSTORE_ESM_HUB", f"http://127.0.0.1:{server.server_port}/")
        found = weights.find(spec("esm2_t6"))
        server.shutdown()
    assert found.read_bytes() == b"weights" * 1000
    assert weights.find(spec("esm2_t6")) == found
    assert [p.name for p in found.parent.iterdir()] == [NAME]


class CutShort(http.server.BaseHTTPRequestHandler):
    """Says that more comes than does, then closes the line."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "7000")
        self.end_headers()
        self.wfile.write(b"weights")

    def log_message(self, *_):
        """Say nothing."""


def test_a_download_that_breaks_off_is_no_file(monkeypatch):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), CutShort) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("SESSTORE_ESM_HUB", f"http://127.0.0.1:{server.server_port}/")
        with pytest.raises(WeightsError, match=f"download of .*{NAME} broke off"):
            weights.find(spec("esm2_t6"))
        server.shutdown()
    assert list(weights.hub_folder().iterdir()) == []


def in_hugging_face(folder, revision, content=b"weights", main=True):
    """A snapshot of ProtT5 as Hugging Face's library lays it out."""
    place = folder / f"models--{spec('prott5').repository.replace('/', '--')}"
    snapshot = place / "snapshots" / revision
    (place / "refs").mkdir(parents=True, exist_ok=True)
    snapshot.mkdir(parents=True)
    if main:
        (place / "refs" / "main").write_text(f"{revision}\n")
    (snapshot / "config.json").write_text("{}")
    (snapshot / "pytorch_model.bin").write_bytes(content)
    return snapshot


def test_of_hugging_faces_snapshots_that_of_main_counts(monkeypatch, tmp_path):
    known = spec("prott5")
    assert weights.present(known) is None
    main = in_hugging_face(weights.hugging_face_folder(), "bb")
    for other in ("aa", "cc"):
        in_hugging_face(weights.hugging_face_folder(), other, main=False)
    assert weights.present(known) == weights.find(known) == main
    assert weights.size_on_disk(main) == 7
    (main / "pytorch_model.bin").unlink()
    assert weights.present(known) is None
    (main / "pytorch_model-00001-of-00002.bin").write_bytes(b"a")
    (main / "pytorch_model-00002-of-00002.bin").write_bytes(b"bc")
    assert weights.present(known) == main
    assert weights.size_on_disk(main) == 3
    (main / "config.json").unlink()
    assert weights.present(known) is None
    elsewhere = in_hugging_face(tmp_path / "elsewhere", "dd")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    assert weights.present(known) == elsewhere


def test_caches_are_the_users_where_no_variable_names_one(monkeypatch, tmp_path):
    for name in ("TORCH_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert weights.hub_folder() == tmp_path / "torch/hub/checkpoints"
    assert weights.hugging_face_folder() == tmp_path / "huggingface/hub"


def test_a_model_folder_by_itself_by_a_file_in_it_or_by_the_one_around_it(tmp_path, monkeypatch):
    known = spec("prott5")
    folder = tmp_path / known.repository.rpartition("/")[2]
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    for name in ("pytorch_model.bin", "best.bin"):
        (folder / name).write_bytes(b"weights")
    for place in (folder, folder / "pytorch_model.bin", tmp_path):
        assert weights.present(known, place) == folder
    assert weights.present(known, folder / "best.bin") == folder / "best.bin"
    monkeypatch.setenv("SESSTORE_WEIGHTS", str(folder))
    assert weights.located(known) == folder
    assert weights.present(spec("protbert")) == folder  # named for the run, whatever it is called
    assert weights.located(spec("protbert")) is None
    assert weights.located(spec("onehot")) is None


def test_a_file_that_is_written_while_it_is_hashed_is_hashed_again(tmp_path, monkeypatch):
    file = tmp_path / "w.pt"
    file.write_bytes(b"one")
    real, written = weights._state, []

    def state(path):
        if len(written) < 2:
            written.append(path)
        if len(written) == 2:  # after it was read
            written.append(path)
            path.write_bytes(b"three")
        return real(path)

    monkeypatch.setattr(weights, "_state", state)
    assert weights.sha256_of(file) == hashlib.sha256(b"three").hexdigest()
    (record,) = (cache_folder() / "weights-sha256").iterdir()
    assert hashlib.sha256(b"three").hexdigest() in record.read_text()


def test_a_file_is_hashed_once(tmp_path):
    file = tmp_path / "w.pt"
    file.write_bytes(b"one")
    assert weights.sha256_of(file) == hashlib.sha256(b"one").hexdigest()
    (record,) = (cache_folder() / "weights-sha256").iterdir()
    record.write_text(record.read_text().replace(hashlib.sha256(b"one").hexdigest(), "remembered"))
    assert weights.sha256_of(file) == "remembered"


@pytest.mark.parametrize("replace", [False, True])
def test_weights_of_the_same_size_and_time_are_other_weights(tmp_path, replace):
    """Written in place with the time set back, or another file moved there, as `cp -p` does."""
    file = tmp_path / "w.pt"
    file.write_bytes(b"one")
    assert weights.sha256_of(file) == hashlib.sha256(b"one").hexdigest()
    before, written = file.stat(), tmp_path / "other" if replace else file
    written.write_bytes(b"two")
    os.utime(written, ns=(before.st_atime_ns, before.st_mtime_ns))
    written.replace(file)
    assert weights.sha256_of(file) == hashlib.sha256(b"two").hexdigest()


def test_a_file_that_changed_is_hashed_again(tmp_path):
    """By its size and time of change, not by its name alone."""
    file = tmp_path / "model.pt"
    file.write_bytes(b"one")
    first = weights.sha256_of(file)
    assert first == hashlib.sha256(b"one").hexdigest()
    before = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    assert weights.sha256_of(file) == hashlib.sha256(b"two").hexdigest()
    several = [file, tmp_path / "other.pt"]
    several[1].write_bytes(b"one")
    assert weights.sha256_of_all([file]) == weights.sha256_of(file)
    assert weights.sha256_of_all(several) != weights.sha256_of_all(several[1:])
    renamed = tmp_path / "third.pt"
    renamed.write_bytes(b"one")
    assert weights.sha256_of_all([file, renamed]) != weights.sha256_of_all(several)
