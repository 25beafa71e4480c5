"""What is drawn along a protein: each residue's own letters, state and value."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sesstore.reports.material import ResidueTrack
from sesstore.reports.residues import ROW, blocks, letters_chart, line_chart, strengths

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


def test_blocks_are_of_ten_and_the_strongest_is_full() -> None:
    html = blocks(TRACK, False)
    assert 'aria-label="p&lt;1&gt;: sequence, 3Di, DSSP"' in html
    assert re.findall(r"<i>(\d+)</i>", html) == ["1", "11"]
    shaded = re.findall(r'--a:([\d.]+)">(.)<', html)
    assert "".join(letter for _, letter in shaded) == TRACK.sequence
    assert [float(share) for share, _ in shaded] == (TRACK.values / 2).tolist()
    assert "<p>DVPLAQDVPL</p><p>HGIEBTSLP-</p>" in html
    assert "<p>A#</p><p>-#</p>" in html


def test_a_residue_without_a_value_has_no_colour() -> None:
    track = ResidueTrack("p", "", "ACD", {}, np.array([np.nan, 4.0, 1.0]), "", "")
    assert re.findall(r"--a:([\d.]+)", blocks(track, False)) == ["0.00", "1.00", "0.25"]
    ten = ResidueTrack("p", "", "A" * 10, {}, np.zeros(10), "", "")
    assert re.findall(r"<i>(\d+)</i>", blocks(ten, False)) == ["1"]
