from __future__ import annotations

import builtins
import inspect

import pytest

from sesstore import errors
from sesstore.errors import RecordError, UnknownNameError

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
