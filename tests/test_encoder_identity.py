"""What tells encoders apart, what a name means, and what is written beside a result."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sesstore.errors import FingerprintMismatchError, StoreFormatError
from sesstore.provenance import (
    Fingerprint,
    Provenance,
    canonical_json,
    circumstances,
    command,
    deepest,
    differences,
    moment,
    named_encoders,
    plain,
    resuming,
    sha256_json,
    split_layer,
    versions,
    without_nan,
)

T6 = Fingerprint("esm2_t6_8M_UR50D", "ab" * 32, 6, "esm1b", "windows(1022,256)", "fp32")


def test_canonical_json_is_utf8_without_white_space_and_without_nan() -> None:
    assert canonical_json({"é": (1, [True])}) == '{"é":[1,[true]]}'
    # as `sha256sum` has it of the same text
    assert sha256_json({"a": 1}) == (
        "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": float("nan")})
    assert plain({"a": (1, 2), "b": {"c": (3,)}}) == {"a": [1, 2], "b": {"c": [3]}}


def test_what_json_does_not_have_becomes_none_at_any_depth() -> None:
    nan = float("nan")
    value = {"a": nan, "b": [1.5, (nan, "x")], "c": {"d": nan, "e": float("inf")}, "f": 0}
    assert without_nan(value) == {
        "a": None, "b": [1.5, [None, "x"]], "c": {"d": None, "e": None}, "f": 0,
    }  # fmt: skip


def test_differences_are_named_by_their_path() -> None:
    first = {"a": 1, "b": {"c": 2, "d": {"e": None}}, "f": [1]}
    second = {"a": 1, "b": {"c": 3, "d": {"e": "x"}}, "f": {"g": 1}}
    assert differences(first, second) == [
        "b.c (2 then, 3 now)",
        'b.d.e (null then, "x" now)',
        'f ([1] then, {"g": 1} now)',
    ]


def test_titles_say_the_source_and_what_was_made_of_the_output() -> None:
    structured = replace(T6, structure="pdb")
    assert [print_.title for print_ in (T6, T6.of_means, structured, structured.of_means)] == [
        "esm2_t6_8M_UR50D",
        "esm2_t6_8M_UR50D means",
        "esm2_t6_8M_UR50D+pdb",
        "esm2_t6_8M_UR50D+pdb means",
    ]
    assert T6.of_means.of_residues == T6
    assert len({T6.digest, T6.of_means.digest, structured.digest}) == 3


def test_means_have_a_row_a_protein_and_residues_one_each() -> None:
    lengths = np.array([7, 1, 0, -1])
    assert T6.rows(lengths).tolist() == [7, 1, 0, -1]
    assert T6.of_means.rows(lengths).tolist() == [1, 1, 0, -1]


def test_settings_that_are_empty_are_no_part_of_what_is_hashed() -> None:
    """Digests of stores written before these settings were there stay."""
    assert set(T6.to_json()) == {
        "encoder", "weights_sha256", "layer", "residue_mapping", "long_policy", "precision",
        "imported_from",
    }  # fmt: skip
    whole = replace(T6.of_means, structure="pdb", layer="mean:3")
    assert whole.to_json()["reduction"] == "mean"
    assert Fingerprint.from_json({**whole.to_json(), "later": 1}) == whole


@pytest.mark.parametrize(
    "change",
    [
        {"layer": True}, {"layer": "mean:0"}, {"layer": "mean:3x"}, {"layer": 6.0},
        {"layer": None}, {"encoder": 3}, {"structure": 3}, {"reduction": "max"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_fingerprint_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(StoreFormatError, match="not an encoder fingerprint"):
        Fingerprint.from_json({**T6.to_json(), **change})
    settings = T6.to_json()
    del settings["precision"]
    with pytest.raises(StoreFormatError, match="precision"):
        Fingerprint.from_json(settings)


def test_a_mismatch_names_what_differs_with_both_values_and_nothing_else() -> None:
    with pytest.raises(FingerprintMismatchError) as refused:
        T6.check_same(replace(T6.of_means, layer=5))
    said = str(refused.value)
    assert "layer (6 against 5); reduction ('' against 'mean')." in said
    assert "precision" not in said


def test_a_provenance_keeps_every_setting() -> None:
    record = Provenance(T6.of_means, 320, "int8", "MIT", "Lin")
    assert record.to_json() == {
        "fingerprint": T6.of_means.to_json(), "dim": 320, "dtype": "int8", "licence": "MIT",
        "citation": "Lin",
    }  # fmt: skip
    assert Provenance.from_json({"fingerprint": T6.to_json(), "dim": 4}) == Provenance(T6, 4)
    with pytest.raises(StoreFormatError, match=r"not a provenance record.*dim"):
        Provenance.from_json({"fingerprint": T6.to_json()})


T12 = replace(T6, encoder="esm2_t12_35M_UR50D", layer=12)
LAYERS = [replace(T6, layer=layer) for layer in (2, 6, "mean:2")]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("ESM2_T6", LAYERS),
        ("esm2", [*LAYERS, T12]),
        ("esm2_t6@2", LAYERS[:1]),
        ("esm2_t6_8m_ur50d@mean:2", LAYERS[2:]),
        ("@6", LAYERS[1:2]),
        ("@1", []),
        ("@12", [T12]),
        ("esm2_t6@12", []),
        ("t6", []),
        (T12.digest[:8], [T12]),
        (T12.digest[:8].upper(), [T12]),
        ("", []),
        ("@", []),
    ],
)
def test_what_a_query_may_mean(query: str, expected: list[Fingerprint]) -> None:
    assert named_encoders([*LAYERS, T12], query) == expected


def test_a_whole_name_goes_before_longer_ones() -> None:
    short, long = replace(T6, encoder="Mine"), replace(T6, encoder="mine_2")
    assert named_encoders([long, short], "mine") == [short]
    assert split_layer("esm2_t33@12") == ("esm2_t33", "12")
    assert split_layer("esm2_t33") == ("esm2_t33", "")


def test_the_deepest_layer_counts_where_nothing_else_differs() -> None:
    assert deepest(LAYERS) == [LAYERS[1]]
    assert deepest([LAYERS[1], LAYERS[0]]) == [LAYERS[1]]
    assert deepest([*LAYERS, T12]) == [*LAYERS, T12]
    assert deepest(LAYERS[2:]) == LAYERS[2:]
    assert deepest([]) == []


def test_how_to_go_on_is_the_whole_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def said(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", list(words))
        return resuming(Path("runs/a b"))

    assert said("/bin/sesstore", "train", "my task") == (
        "Go on with it: `sesstore train 'my task' --out 'runs/a b' --resume`"
    )
    assert said("sesstore", "train", "t", "--out=x").endswith("`sesstore train t --out=x --resume`")
    assert said("sesstore", "train", "--out", "x", "--resume").endswith(
        "`sesstore train --out x --resume`"
    )
    assert said("sesstore", "fit", "t").endswith("`sesstore fit t`")
    assert said("notebook.py") == "Go on with it by resume=True and the same settings"
    monkeypatch.setattr(sys, "argv", ["/x/y/sesstore", "ls", "a;b"])
    assert command("--json") == "sesstore ls 'a;b' --json"
    assert circumstances()["command"] == "sesstore ls 'a;b'"


def test_a_moment_is_told_to_the_millisecond_and_versions_of_what_there_is() -> None:
    assert re.fullmatch(r"20\d{6}-\d{6}-\d{3}", moment())
    named = versions("numpy", "no-such-package")
    assert set(named) == {"python", "sesstore", "numpy"}
    assert named["numpy"] == np.__version__
    assert named["python"] == sys.version.split()[0]
    assert set(circumstances()) == {"date", "command", "versions"}
