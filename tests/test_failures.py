"""Each record that fails is one failure, whatever it is called."""

from __future__ import annotations

from sesstore.failures import list_failure, list_failures
from sesstore.proteins import Protein


def test_several_of_one_name_get_numbers() -> None:
    failed = {"a": "before", "a (2)": "taken"}
    for reason in ("x", "y"):
        list_failure(failed, "a", reason)
    list_failure(failed, "b", "z")
    assert failed == {"a": "before", "a (2)": "taken", "a (3)": "x", "a (4)": "y", "b": "z"}


def test_those_that_failed_are_listed_each_record_for_itself() -> None:
    first, second, sound = Protein("p", "MKV"), Protein("p", "MKL"), Protein("q", "MKI")
    failed: dict[str, str] = {}
    reasons = {first.digest: "odd", second.digest: "long"}
    list_failures(failed, [first, sound, second, first], reasons)
    assert failed == {"p": "odd", "p (2)": "long", "p (3)": "odd"}
