"""Bytes from elsewhere: whatever a store's files hold, only sesstore's own errors come out."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesstore.errors import CorruptStoreError, InputError, SesstoreError
from sesstore.store import layout
from sesstore.store.atomic_files import sealed, unsealed
from sesstore.store.integrity import verify
from sesstore.store.segment_check import segment_problems
from sesstore.store.shards import checksums_of
from sesstore.store.task_files import read_task

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


BYTES = st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode())


@given(BYTES)
def test_parsers_of_stored_documents_never_break(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("x") / "zarr.json"
    path.write_bytes(raw)
    for parse in (layout.read_group, read_task, lambda p: unsealed(p.read_bytes(), p)):
        with pytest.raises(CorruptStoreError):
            parse(path)


def reseal(segment, name: str, data: bytes) -> None:
    (segment / name).write_bytes(data)
    path = segment / layout.CHECKSUMS
    listed = unsealed(path.read_bytes(), path)
    listed["files"][name] = checksums_of(data)
    path.write_bytes(sealed(listed))


def mutated(document, rng) -> object:
    """A document with one of its values replaced."""
    places: list[tuple[object, object]] = []

    def walk(node) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            places.append((node, key))
            if isinstance(value, dict | list):
                walk(value)

    walk(document)
    node, key = places[rng.integers(len(places))]
    choices = [-1, 0, 2**62, 10**30, None, "x", [], {}, 1.5, True, "float64", [2**40, 2**20]]
    node[key] = choices[rng.integers(len(choices))]
    return document


@pytest.mark.parametrize("name", ["values", "offsets", "digests", "scales", "."])
def test_metadata_that_lie_are_found_before_they_are_believed(filled, tmp_path, name):
    """With right checksums, as a hostile sender would send them."""
    original = filled.store.embeddings("enc_int8").segments[0].path
    rng = np.random.default_rng(len(name))
    for number in range(60):
        segment = tmp_path / f"segment{number}"
        shutil.copytree(original, segment)
        file = f"{name}/zarr.json" if name != "." else "zarr.json"
        document = mutated(json.loads((segment / file).read_bytes()), rng)
        if name == "." and isinstance(document.get("attributes"), dict):
            attributes = document["attributes"].get("sesstore")
            if isinstance(attributes, dict):
                reseal(segment, file, layout.group_metadata(attributes))
            else:
                reseal(segment, file, layout.document(document))
        else:
            reseal(segment, file, layout.document(document))
        if (segment / file).read_bytes() == (original / file).read_bytes():
            continue
        problems = list(segment_problems(segment, filled.provenances[1], quick=False))
        attributes_only = name == "." and "circumstances" in json.dumps(document)
        assert problems or attributes_only


def test_checksums_that_name_other_places_are_not_followed(filled):
    segment = filled.store.embeddings("enc_int8").segments[0].path
    path = segment / layout.CHECKSUMS
    for name in ("../../../zarr.json", "/etc/passwd", "values/../zarr.json", ""):
        listed = unsealed(path.read_bytes(), path)
        listed["files"][name] = {"bytes": 1, "crc32c": "0", "sha256": "0"}
        path.write_bytes(sealed(listed))
        said = list(segment_problems(segment, None, quick=False))
        assert any("is missing" in problem for problem in said)
    for wrong in ([], 7, {"x": 1}, {"x": {"bytes": "1"}}, None):
        path.write_bytes(sealed({"files": wrong}))
        (said,) = segment_problems(segment, None, quick=True)
        assert "checksums" in said


def test_links_out_of_the_store_are_not_followed(filled, tmp_path):
    segment = filled.store.embeddings("enc_int8").segments[0].path
    shutil.move(segment, tmp_path / "elsewhere")
    segment.symlink_to(tmp_path / "elsewhere")
    assert segment not in [s.path for s in filled.store.embeddings("enc_int8").segments]
    (fault,) = verify(filled.store.path).bad
    assert fault.where.endswith(segment.name)
    assert "a link" in fault.what


def test_digests_must_be_digests(filled):
    view = filled.store.embeddings("enc_int8")
    with pytest.raises(InputError):
        view.find([b"short", bytes(59)])
    with pytest.raises(SesstoreError):
        view.get(b"")
