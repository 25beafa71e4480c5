"""Options that several commands share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from sesstore_cli.options import _with_layer, comma_list, several
from sesstore_cli.wording import named_store

from sesstore.errors import InputError


@pytest.mark.parametrize(
    ("words", "store"),
    [
        ("ls", None),
        ("ls --store", None),
        ("--store a ls --quiet", "a"),
        ("ls --quiet --store a", "a"),
        ("ls --store=a=b", "a=b"),
        ("ls --store-of a", None),
        ("ls --json --plm store", None),
    ],
)
def test_the_store_that_is_named_is_found_among_the_words(words: str, store: str | None) -> None:
    assert named_store(words.split()) == store


CONTEXT: Any = None
PARAMETER = click.Option(["--of"])


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, None), ("a, ,b,", ("a", "b")), (" none ", ()), ("none,a", ("none", "a")), ("", ())],
)
def test_words_between_commas(text: str | None, words: tuple[str, ...] | None) -> None:
    assert comma_list(CONTEXT, PARAMETER, text) == words


def test_values_between_commas() -> None:
    read = several(float)
    assert read(CONTEXT, PARAMETER, None) is None
    assert read(CONTEXT, PARAMETER, "0.5, 2,,") == (0.5, 2.0)
    assert several(str)(CONTEXT, PARAMETER, " a, b ,,") == ("a", "b")
    with pytest.raises(click.BadParameter, match=r"'0\.5,a' is no list"):
        read(CONTEXT, PARAMETER, "0.5,a")


def test_a_layer_goes_with_an_encoder_or_the_one_there_is() -> None:
    assert _with_layer(None, None) is None
    assert _with_layer("near", None) == "near"
    assert _with_layer(None, "6") == "@6"
    assert _with_layer("esm2_t12", "6") == "esm2_t12_35M_UR50D@6"
    assert _with_layer("esm2_t12", "-2") == "esm2_t12_35M_UR50D@11"
    assert _with_layer("esm2_t12", "last") == "esm2_t12_35M_UR50D@12"
    with pytest.raises(InputError, match="13"):
        _with_layer("esm2_t12", "13")
    with pytest.raises(InputError, match="names a layer already"):
        _with_layer("near@0", "1")


def test_of_several_processes_the_first_speaks(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    assert json.loads(cli("plms", "near", "--json").out)["plms"]
    monkeypatch.setenv("RANK", "1")
    for words in (("--json",), ()):
        said = cli("plms", "near", *words)
        assert (said.status, said.out, said.err) == (0, "", "")
    wrong = cli("plms", "neer")
    assert (wrong.status, "Did you mean" in wrong.err) == (2, True)


def test_quiet_leaves_the_result_and_takes_the_notes(cli) -> None:
    Path("a.fasta").write_text(">a\nMKV\n>b\nMKVL\n")
    words = ("embed", "a.fasta", "--plm", "onehot")
    quiet = cli(*words, "--quiet", "--store", "one")
    told = cli(*words, "--store", "other")
    assert quiet.err == ""
    assert "2 of 2 sequences to embed with onehot" in told.err
    for said in (quiet, told):
        assert "2 encoded, 0 already stored, 0 failed" in said.out
    short = cli(*words, "-q", "--json", "--store", "third")
    assert (short.err, short.json["encoded"]) == ("", 2)
