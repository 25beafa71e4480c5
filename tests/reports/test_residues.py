"""What is drawn along a protein: each residue's own letters, state and value."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from sesstore.alphabets import DSSP, FOLDSEEK
from sesstore.reports.material import SURENESS, ResidueTrack
from sesstore.reports.residues import (
    ROW,
    letters_chart,
    line_chart,
    strengths,
    token_letters,
    track_view,
)
from sesstore.reports.structure_view import numbers
from sesstore.residues import StructureTokens

pytest.importorskip("altair")

TRACK = ResidueTrack(
    "p<1>", "largest loss", "ACDEFGHIKLMN", {"foldseek": "DVPLAQDVPLA#", "dssp": "HGIEBTSLP--#"},
    np.array([1.0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1]), "membrane", "soluble",
)  # fmt: skip


def test_weights_are_against_their_mean() -> None:
    assert strengths(TRACK, False).tolist() == TRACK.values.tolist()
    assert strengths(TRACK, True).tolist() == (12 * TRACK.values).tolist()


def test_each_residue_has_its_state_and_value() -> None:
    spec = line_chart(TRACK, "attention", False).to_dict()
    rows = spec["data"]["values"]
    assert [row["structure"] for row in rows] == [
        "helix", "helix", "helix", "strand", "strand", *["other"] * 6, "masked",
    ]  # fmt: skip
    assert [row["letter"] for row in rows] == list(TRACK.sequence)
    assert [row["residue"] for row in rows] == list(range(1, 13))
    assert [row["value"] for row in rows] == TRACK.values.tolist()
    assert all(row["from"] < row["residue"] < row["to"] for row in rows)
    assert spec["encoding"]["y"]["title"] == "attention"
    assert line_chart(TRACK, "a", True).to_dict()["encoding"]["y"]["title"] == "a (mean = 1)"


def test_letters_stand_under_one_another() -> None:
    track = ResidueTrack(
        "p", "", "A" * ROW + "C", {"dssp": "H" * ROW + "E"}, np.arange(ROW + 1.0), "", ""
    )
    spec = letters_chart(track, "attention", False).to_dict()
    shared = spec.get("data", {}).get("values")
    cells, _, names = spec["layer"]
    datasets = [cells.get("data", {}).get("values", shared), names["data"]["values"]]
    last = [row for row in datasets[0] if row["value"] == ROW]
    assert [(row["x"], row["y"], row["letter"]) for row in last] == [(0, 3, "C"), (0, 4, "E")]
    assert [(row["y"], row["letter"]) for row in datasets[1]] == [
        (0, "1"), (1, "DSSP"), (3, str(ROW + 1)), (4, "DSSP"),
    ]  # fmt: skip


def test_a_residue_without_a_value_has_none() -> None:
    """Unlabelled residues of a protein: charts have null, which JSON knows, and no NaN."""
    values = np.array([np.nan, *TRACK.values[1:]])
    track = replace(TRACK, values=values)
    rows = line_chart(track, "error", False).to_dict()["data"]["values"]
    assert [row["value"] for row in rows[:2]] == [None, 0]
    json.dumps(letters_chart(track, "error", False).to_dict(), allow_nan=False)
    assert np.isnan(track_view(track, "error", False).colourings[0].values[0])


def test_the_view_has_all_that_is_known_of_residues() -> None:
    track = replace(
        TRACK,
        further=(numbers("more", TRACK.values),),
        plddt=np.full(12, 80.0),
        absence="No structure.",
    )
    view = track_view(track, "attention", True)
    assert [colouring.name for colouring in view.colourings] == [
        "attention", "more", "pLDDT", "3Di mask", "DSSP mask",
    ]  # fmt: skip
    assert view.colourings[0].values.tolist() == (12 * TRACK.values).tolist()
    assert view.colourings[3].values.tolist() == [0] * 11 + [1]
    assert view.lines == {"3Di": TRACK.tokens["foldseek"], "DSSP": TRACK.tokens["dssp"]}
    assert view.notes == ["No structure."]
    sure = track_view(TRACK, SURENESS, False).colourings[0]
    assert (sure.stops[0][0], sure.stops[-1][0]) == (0, 1)


def test_letters_are_of_the_first_conformer_and_of_the_alphabets_that_are_asked_for() -> None:
    codes = {"foldseek": np.array([[1, 2, 20], [3, 3, 3]], np.uint8),
             "dssp": np.array([[0, 8, 1]], np.uint8)}  # fmt: skip
    tokens = StructureTokens(bytes(32), "pdb", codes)
    letters = token_letters(tokens, ("dssp", "foldseek"))
    assert list(letters.items()) == [
        ("dssp", f"{DSSP.letters[0]}#{DSSP.letters[1]}"),
        ("foldseek", f"{FOLDSEEK.letters[1]}{FOLDSEEK.letters[2]}#"),
    ]
    assert list(token_letters(tokens, ("foldseek",))) == ["foldseek"]
    few = replace(tokens, codes={"dssp": codes["dssp"]})
    assert list(token_letters(few, ("foldseek", "dssp"))) == ["dssp"]
    assert token_letters(None, ("foldseek",)) == {}
