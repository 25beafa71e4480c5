"""Files are on disk before they have their names, whole or as they were; documents hold a sum."""

from __future__ import annotations

import errno
import json
import os
import pwd
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from sesstore.errors import CorruptStoreError, StorageFullError, StoreAccessError, UnwritableError
from sesstore.store import atomic_files
from sesstore.store.atomic_files import (
    check_writable,
    how_to_share,
    replace_file,
    saying_when_full,
    sealed,
    unsealed,
    write_reasons,
)


def test_a_file_is_on_disk_before_it_has_its_name_and_the_name_before_it_returns(tmp_path, disk):
    replace_file(tmp_path / "file", b"content")
    assert disk.renames == [str(tmp_path / "file")]
    disk.check(tmp_path)


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, StorageFullError),
        (errno.EDQUOT, StorageFullError),
        (errno.EIO, StoreAccessError),
    ],
)
def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(
    tmp_path, monkeypatch, call, code, kind
):
    file = tmp_path / "file"
    file.write_bytes(b"before")
    handles = os.listdir("/proc/self/fd")

    def failing(*_):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        with pytest.raises(kind, match=f"{file}[ .]") as said:
            replace_file(file, b"after")
    assert type(said.value) is kind
    assert os.listdir("/proc/self/fd") == handles
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"file": b"before"}
    replace_file(file, b"after")
    assert file.read_bytes() == b"after"
    assert os.listdir("/proc/self/fd") == handles


def test_a_folder_in_the_place_of_a_file_is_left_alone(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path / "folder", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_what_is_written_has_the_permissions_the_user_wants(tmp_path):
    old = os.umask(0o027)
    try:
        replace_file(tmp_path / "file", b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_only_a_full_disk_is_said_to_be_full(tmp_path):
    for code in (errno.ENOSPC, errno.EDQUOT):
        with pytest.raises(StorageFullError, match="no space left for here"):  # noqa: SIM117
            with saying_when_full(Path("here")):
                raise OSError(code, "full")
    inner = atomic_files.full("inner")
    inner.errno = errno.ENOSPC
    for problem in (OSError(errno.EIO, "bad"), inner):
        with pytest.raises(OSError, match=r".") as said, saying_when_full(Path("here")):
            raise problem
        assert said.value is problem


def test_a_place_that_can_be_written_is_one_whose_folder_can_be_made(tmp_path, monkeypatch):
    queries = []
    monkeypatch.setattr(
        os, "access", lambda place, mode: queries.append((Path(place), mode)) or True
    )
    (tmp_path / "there").write_text("x")
    for name in ("new", "there", "a/b/new", "."):
        check_writable(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    check_writable(Path("relative/new"))
    assert queries == [(tmp_path, os.W_OK | os.X_OK)] * 5
    (tmp_path / "folder").mkdir()
    check_writable(tmp_path / "folder")
    assert queries[5:] == [(tmp_path / "folder", os.W_OK | os.X_OK)]


def test_a_place_that_cannot_be_written_is_said_before_work_begins(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "link"):
        wanted = tmp_path / name / "a" / "b"
        with pytest.raises(UnwritableError, match=f"'{wanted}'.*'{tmp_path / name}' is a file"):
            check_writable(wanted)
    monkeypatch.setattr(os, "access", lambda place, mode: not mode & os.X_OK)
    with pytest.raises(UnwritableError, match=f"no permission to write in '{tmp_path}'"):
        check_writable(tmp_path / "new" / "file")


def test_reasons_are_a_line_each_and_go_with_what_they_were_of(tmp_path):
    table = tmp_path / "report" / "failed.tsv"
    reasons = {"a\tb": "two\nlines  and more", "caf\udce9": "none"}
    assert write_reasons(table, "protein", reasons) == str(table)
    assert table.read_bytes() == (b"protein\treason\na b\ttwo lines and more\ncaf\xe9\tnone\n")
    assert write_reasons(table, "protein", {}) is None
    assert not table.exists()
    assert write_reasons(table, "protein", {}) is None


def test_a_sealed_document_holds_the_sum_of_the_rest():
    body = {"b": [1.5, None], "a": "\u00e9"}
    text = '{\n "a": "\\u00e9",\n "b": [\n  1.5,\n  null\n ]\n}\n'
    seal = sha256(text.encode()).hexdigest()
    for document in (body, {**body, "sha256": "another"}):
        raw = sealed(document)
        assert json.loads(raw) == {**body, "sha256": seal}
        assert unsealed(raw, Path("here")) == {**body, "sha256": seal}
    with pytest.raises(ValueError, match="JSON compliant"):
        sealed({"a": float("nan")})


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"7",
        b"\xff",
        b"{}",
        b'{"sha256": 7}',
        b"[" * 100_000,
        b'{"a": NaN, "sha256": "x"}',
        sealed({"a": 1}).replace(b"1", b"2", 1),
        sealed({"a": 1}) + b"\n",
        json.dumps(json.loads(sealed({"a": 1}))).encode(),
    ],
    ids=range(11),
)
def test_whatever_else_stands_there_is_said_with_its_place(raw):
    with pytest.raises(CorruptStoreError, match=r"^/some/place is not what was written"):
        unsealed(raw, Path("/some/place"))


def test_whose_a_file_is_and_how_to_share_it_is_said(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    file.chmod(0o640)
    said = how_to_share(file)
    assert f"belongs to {pwd.getpwuid(os.geteuid()).pw_name} (-rw-r-----)." in said
    assert "chgrp -R GROUP" in said

    def nobody(number):
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert f"belongs to {os.geteuid()} (" in how_to_share(file)
