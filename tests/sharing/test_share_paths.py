from __future__ import annotations

import pytest

from sesstore.errors import CorruptStoreError
from sesstore.sharing import share_paths

BAD_NAMES = [
    "../../evil",
    "/etc/evil",
    "..",
    ".",
    "",
    "a/../../b",
    "zarr.json/../../x",
    "values/../../../x",
    "values/c.0.0/../../x",
    "C:\\evil",
    "values\\c.0.0",
    "a\0b",
    "values/c.00.0",
    "VALUES/c.0.0",
    "values/c.0.0\n",
    "\uff56alues/c.0.0",
    "x" * 300,
]


@pytest.mark.parametrize("bad", BAD_NAMES)
@pytest.mark.parametrize("where", ["encoder", "segment", "file", "bundle", "task", "source"])
def test_names_that_lead_elsewhere(lying_index, where, bad):
    document = lying_index.index()
    folder, encoder = next(iter(document["encoders"].items()))
    segment, entry = next(iter(encoder["segments"].items()))
    if where == "encoder":
        document["encoders"][bad] = document["encoders"].pop(folder)
    elif where == "segment":
        encoder["segments"][bad] = encoder["segments"].pop(segment)
    elif where == "file":
        entry["files"][bad] = {"bytes": 3, "sha256": "0" * 64}
    elif where == "bundle":
        document["bundles"][0]["sha256"] = bad
    elif where == "task":
        document["tasks"][bad] = document["tasks"].pop("toy")
    else:
        next(b for b in document["bundles"] if b["kind"] == "tokens")["name"] = bad
    assert "refused" in lying_index.unparsable(document)


def test_nothing_is_made_for_an_index_that_is_refused(forgery, tmp_path):
    document = forgery.index()
    document["bundles"][0]["sha256"] = "../../evil"
    forgery.replace_index(document)
    assert "is no hash" in forgery.refused()
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("bad", ["../" * 21 + "a", "./" * 32, "a" * 62 + "/.", "A" * 64, "a" * 63])
@pytest.mark.parametrize("where", ["bundle", "task", "file", "footer"])
def test_hashes_of_64_letters_that_are_paths(lying_index, where, bad):
    document = lying_index.index()
    entry = next(iter(next(iter(document["encoders"].values()))["segments"].values()))
    if where == "bundle":
        document["bundles"][0]["sha256"] = bad
    elif where == "footer":
        document["bundles"][0]["footer_sha256"] = bad
    elif where == "task":
        document["tasks"]["toy"]["sha256"] = bad
    else:
        entry["files"]["values/c.0.0"]["sha256"] = bad
    assert "is no hash" in lying_index.unparsable(document)
    assert not share_paths.is_public(f"share/bundles/{bad}")
    with pytest.raises(CorruptStoreError):
        share_paths.sha256_name(bad)


@pytest.mark.parametrize(
    "path",
    [
        "share/index.json",
        "zarr.json",
        "embeddings/zarr.json",
        "embeddings/x/zarr.json",
        "share/bundles/" + "0" * 64,
        "share/tasks/" + "0" * 64,
        "share/sums/20260101T000000000000-0000000000000000",
        "share/commits/20260101T000000000000-0000000000000000",
        "embeddings/x/20260101T000000000000-0000000000000000/values/c.12.0",
    ],
)
def test_what_is_published_is_public(path):
    assert share_paths.is_public(path)
    for bad in (f"{path}/", f"../{path}", f"{path}/..", f"/{path}", path.replace("/", "//", 1)):
        assert bad == path or not share_paths.is_public(bad)


OTHERS = ["", ".", "..", "share", "share/x/y", "embeddings", "a" * 999, "proteins.lmdb"]
OTHERS += ["share/cleanup/x", "share/set-aside/x/y", "tokens/pdb.lmdb", "README.md", ".git/config"]


@pytest.mark.parametrize("path", OTHERS)
def test_nothing_else_is_public(path):
    assert not share_paths.is_public(path)


def test_a_size_may_be_nothing_and_just_its_limit():
    assert [share_paths.size(value, 9) for value in (0, 9)] == [0, 9]
    for value in (-1, 10, 1.0, True, "5", None):
        with pytest.raises(CorruptStoreError, match=r"no size it may have \(at most 9\)"):
            share_paths.size(value, 9)
