from __future__ import annotations

import json
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sesstore.errors import CorruptStoreError, InputError, UnknownNameError
from sesstore.store.manifest import counts_of
from sesstore.store.task_files import read_task, write_task
from sesstore.tasks import Problem, Split, Task

LABELS = {
    Problem.SINGLE_LABEL: st.integers(0, 2),
    Problem.MULTI_LABEL: st.lists(st.integers(0, 2), max_size=3).map(tuple),
    Problem.REGRESSION: st.floats(allow_nan=False, allow_infinity=False),
    Problem.RESIDUE_SINGLE_LABEL: st.lists(st.integers(-100, 2), min_size=1, max_size=5).map(
        lambda v: np.asarray(v, np.int64)
    ),
    Problem.RESIDUE_REGRESSION: st.lists(
        st.floats(width=32, allow_infinity=False), min_size=1, max_size=5
    ).map(lambda v: np.asarray(v, np.float32)),
}


@settings(max_examples=settings.default.max_examples * 2 // 5)
@given(st.data())
def test_tasks_come_back_row_by_row(tmp_path_factory, data):
    problem = data.draw(st.sampled_from(Problem))
    splits, grouped = {}, data.draw(st.booleans())
    for name in data.draw(st.lists(st.sampled_from(["train", "valid", "test"]), unique=True)):
        labels = data.draw(st.lists(LABELS[problem], max_size=6))
        ids = tuple(data.draw(st.text(max_size=8)) for _ in labels)
        digests = np.frombuffer(
            data.draw(st.binary(min_size=32 * len(ids), max_size=32 * len(ids))), np.uint8
        )
        groups = tuple(data.draw(st.text(max_size=3)) for _ in labels) if grouped else ()
        splits[name] = Split(ids, digests.reshape(-1, 32), labels, groups)
    source, split_by = (data.draw(st.sampled_from([None, name])) for name in ("pdb", "cluster"))
    task = Task(
        "toy", problem, ("a", "b", "c"), splits, ("accuracy", "mcc"), "mcc", "me", ("n",), source,
        split_by,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("t") / "toy.jsonl"
    write_task(path, task)
    found = read_task(path)
    assert found.splits.keys() == splits.keys()
    assert (found.problem, found.classes, found.notes) == (task.problem, task.classes, task.notes)
    assert (found.source, found.split_by) == (source, split_by)
    assert (found.metrics, found.monitor, found.citation) == (task.metrics, "mcc", "me")
    for name, split in splits.items():
        back = found.split(name)
        assert (back.ids, back.groups) == (split.ids, split.groups)
        assert np.array_equal(back.digests, split.digests)
        for mine, theirs in zip(split.labels, back.labels, strict=True):
            np.testing.assert_array_equal(mine, theirs)
            assert type(mine) is type(theirs)
    assert found.data_digest == Task(**{**vars(task), "splits": found.splits}).data_digest


def test_any_changed_byte_of_a_task_is_noticed(filled):
    path = filled.store.path / "tasks/toy.jsonl"
    raw = path.read_bytes()
    for place in [*range(0, len(raw), 37), len(raw) - 1]:
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        with pytest.raises(CorruptStoreError):
            filled.store.task("toy")
    path.write_bytes(raw[:-40])
    with pytest.raises(CorruptStoreError):
        filled.store.task("toy")


def test_names_are_checked(filled, kit):
    with pytest.raises(UnknownNameError, match="Did you mean 'toy'"):
        filled.store.task("toys")
    for name in ("../../etc/passwd", "/abs", "a\nb", ".x"):
        with pytest.raises(InputError):
            filled.store.add_task(kit.task(filled.proteins, name))
    filled.store.add_task(kit.task(filled.proteins[:4]))
    assert len(filled.store.task("toy").split("train")) == 2


def sealed(lines: list[object]) -> bytes:
    """A task's file as the format says: lines of JSON, and last the hash of them."""
    body = b"".join(
        json.dumps(line, sort_keys=True, separators=(",", ":")).encode() + b"\n" for line in lines
    )
    return body + b'{"sha256":"%b"}\n' % sha256(body).hexdigest().encode()


def test_a_file_is_its_lines(tmp_path, kit):
    """Byte by byte, as other tools and earlier versions read and wrote them."""
    proteins = kit.proteins(3)
    digests = np.frombuffer(b"".join(p.digest for p in proteins), np.uint8).reshape(-1, 32)
    splits = {
        "test": Split(("b",), digests[1:2], [(0, 2)], ("g",)),
        "train": Split(("a", "c"), digests[[0, 2]], [(1,), ()]),
        "valid": Split((), digests[:0], []),
    }
    task = Task("toy", Problem.MULTI_LABEL, ("x", "y", "z"), splits, ("f1_max",), "f1_max", "me")
    path = tmp_path / "tasks/toy.jsonl"
    write_task(path, task)
    head = {
        "sesstore_task": 1, "name": "toy", "problem": "multi_label", "classes": ["x", "y", "z"],
        "metrics": ["f1_max"], "monitor": "f1_max", "citation": "me", "notes": [],
        "splits": {"test": 1, "train": 2, "valid": 0},
    }  # fmt: skip
    rows = [
        {"split": "test", "id": "b", "digest": digests[1].tobytes().hex(), "group": "g",
         "label": [0, 2]},
        {"split": "train", "id": "a", "digest": digests[0].tobytes().hex(), "label": [1]},
        {"split": "train", "id": "c", "digest": digests[2].tobytes().hex(), "label": []},
    ]  # fmt: skip
    assert path.read_bytes() == sealed([head, *rows])
    assert list(read_task(path).splits) == ["test", "train", "valid"]
    for lines in (
        [{**head, "sesstore_task": 2}, *rows], [head, {"split": "train"}],
        [{k: v for k, v in head.items() if k != "monitor"}], [{**head, "problem": "other"}],
    ):  # fmt: skip
        path.write_bytes(sealed(lines))
        with pytest.raises(CorruptStoreError, match="no task this version reads"):
            read_task(path)
    (tmp_path / "none").mkdir()
    with pytest.raises(FileNotFoundError):
        read_task(tmp_path / "none/toy.jsonl")


def test_what_is_entered_is_how_many_rows_a_task_has(filled, kit):
    place = filled.store.path / "tasks/other.jsonl"
    filled.store.add_task(kit.task(filled.proteins[:7], "other"))
    assert counts_of(place) == {"rows": 7}
    assert filled.store.tasks() == ["other", "toy"]
    assert len(filled.store.task("toy").split("train")) == 15
