from __future__ import annotations

import builtins
import errno
import inspect
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from sesstore import errors
from sesstore.errors import MissingExtraError, RecordError, UnknownNameError, UnwritableError

OURS = [
    e for _, e in inspect.getmembers(errors, inspect.isclass) if e.__module__ == errors.__name__
]


@pytest.mark.parametrize("error", OURS)
def test_every_error_is_ours_and_refines_a_builtin(error: type) -> None:
    assert issubclass(error, errors.SesstoreError)
    if error is not errors.SesstoreError:
        builtin = [b for b in error.__mro__ if b.__module__ == "builtins"]
        assert set(builtin) - {Exception, BaseException, object}
        assert all(hasattr(builtins, b.__name__) for b in builtin)


def test_the_drawing_of_the_tree_names_every_error() -> None:
    assert all(error.__name__ in (errors.__doc__ or "") for error in OURS)


def test_a_record_error_says_file_line_and_id() -> None:
    said = str(RecordError("no label. Add one", "a.jsonl", 17, "Q9H400"))
    assert said == "a.jsonl, line 17 (Q9H400): no label. Add one"


def test_an_unknown_name_suggests_or_lists() -> None:
    assert "Did you mean 'esm2_t33'?" in str(UnknownNameError("encoder", "esm2_t3", ["esm2_t33"]))
    assert "Known: a, b." in str(UnknownNameError("task", "zzz", ["b", "a"]))


RAISED = [
    RecordError("no label. Add one", Path("a.jsonl"), 17, "Q9H400"),
    UnknownNameError("encoder", "esm2_t3", ["esm2_t33"], "`sesstore plms` lists them."),
    MissingExtraError("encoder 'near'", "near"),
    UnwritableError("out.csv", "Permission denied"),
]
"""Errors of classes whose constructors take more than a message."""


@pytest.mark.parametrize(
    "error", [*RAISED, *(kind("no. Do that") for kind in OURS if "__init__" not in vars(kind))]
)
def test_every_error_comes_out_of_pickle_as_it_went_in(error: Exception) -> None:
    error.add_note("in shard 3")
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        copy = pickle.loads(pickle.dumps(error, protocol))
        assert (type(copy), str(copy), copy.args) == (type(error), str(error), error.args)
        assert vars(copy) == vars(error)


def test_every_class_with_a_constructor_of_its_own_is_tried() -> None:
    own = {kind for kind in OURS if "__init__" in vars(kind)}
    assert own <= {type(error) for error in RAISED}


def _fail(error: Exception) -> None:
    raise error


def test_errors_cross_a_process_pool() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        for error in RAISED:
            with pytest.raises(type(error)) as raised:
                pool.submit(_fail, error).result()
            assert str(raised.value) == str(error)


def test_a_record_error_keeps_its_parts_and_names_those_it_has() -> None:
    error = RecordError("no label. Add one", Path("d/a.jsonl"), 0, "")
    assert str(error) == "d/a.jsonl, line 0: no label. Add one"
    assert (error.problem, error.path, error.line, error.record) == (
        "no label. Add one", "d/a.jsonl", 0, "",
    )  # fmt: skip
    assert str(RecordError("no", "x", record="P1")) == "x (P1): no"
    assert str(RecordError("no", "x")) == "x: no"


def test_of_equally_near_names_the_one_that_begins_alike() -> None:
    names = ["esm2_t48", "esm2_t36", "prott5"]
    error = UnknownNameError("encoder", "esm2_t34", names, "`sesstore plms` lists them.")
    assert str(error) == (
        "no encoder is called 'esm2_t34'. Did you mean 'esm2_t36'? `sesstore plms` lists them."
    )
    assert (error.name, error.names) == ("esm2_t34", ["esm2_t36", "esm2_t48", "prott5"])
    assert "Did you mean 'esm2_t33'" in str(UnknownNameError("encoder", "esm2_t3", ["esm1b"] * 9
        + ["esm2_t33"]))  # fmt: skip


def test_a_name_that_several_begin_with_asks_which() -> None:
    names = ["prott5_b", "prott5_a", "prott5x", "other"]
    assert "Which of prott5_a, prott5_b?" in str(UnknownNameError("encoder", "prott5", names))
    assert "Did you mean 'prott5_a'?" in str(UnknownNameError("encoder", "prott5", ["prott5_a"]))


def test_a_name_half_as_long_is_near() -> None:
    assert "Did you mean 'deeploc_binary_long'?" in str(
        UnknownNameError("task", "deeploc", ["deeploc_binary_long", "other"])
    )


def test_what_is_near_nothing_lists_what_there_is() -> None:
    assert str(UnknownNameError("task", "zzz", [])) == "no task is called 'zzz'."
    assert str(UnknownNameError("task", "zzz", ["a"], "Add it.", known="a to f")) == (
        "no task is called 'zzz'. Known: a to f. Add it."
    )


def test_messages_name_the_place_and_the_extra() -> None:
    unwritable = str(UnwritableError(Path("out.csv"), "read-only"))
    assert unwritable.startswith("'out.csv' cannot be written: read-only. Change its permissions")
    missing = MissingExtraError("encoder 'near'", "near")
    assert missing.extra == "near"
    assert str(missing).startswith("encoder 'near' needs")
    assert "pip install 'sesstore[near]'" in str(missing)


def test_a_full_disk_a_quota_and_a_file_too_large_are_no_space() -> None:
    assert {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} == errors.DISK_FULL


@pytest.mark.parametrize(
    ("error", "kinds"),
    [
        (errors.RecordError, (errors.InputError, ValueError)),
        (errors.StructureError, (errors.InputError,)),
        (errors.MissingFileError, (errors.InputError, FileNotFoundError)),
        (errors.UnwritableError, (errors.InputError, PermissionError)),
        (errors.UnknownNameError, (errors.InputError, LookupError)),
        (errors.StoreFormatError, (errors.StoreError, RuntimeError)),
        (errors.CorruptStoreError, (errors.StoreError,)),
        (errors.FingerprintMismatchError, (errors.StoreError,)),
        (errors.NotStoredError, (errors.StoreError, LookupError)),
        (errors.StoreAccessError, (errors.StoreError, OSError)),
        (errors.StorageFullError, (errors.StoreAccessError,)),
        (errors.WeightsError, (FileNotFoundError,)),
        (errors.MissingExtraError, (ImportError,)),
        (errors.ClusterError, (RuntimeError,)),
        (errors.TrainingError, (RuntimeError,)),
        (errors.StoppedError, (RuntimeError,)),
    ],
)
def test_an_error_is_what_the_drawing_says(error: type, kinds: tuple[type, ...]) -> None:
    """Exit status 2 goes by `InputError`: no other branch is one."""
    assert all(issubclass(error, kind) for kind in kinds)
    assert issubclass(error, errors.InputError) == (errors.InputError in kinds)
