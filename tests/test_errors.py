from __future__ import annotations

import builtins
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
