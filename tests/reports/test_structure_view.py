"""A structure beside its sequence: values are on their residues, and pages stay closed."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from html import unescape
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sesstore.alphabets import DSSP
from sesstore.proteins import Protein, normalise
from sesstore.reports import structure_view as module
from sesstore.reports.page import Page
from sesstore.reports.structure_view import (
    StructureView,
    ViewedStructure,
    classes,
    numbers,
    plddt,
    token_mask,
    view_assets,
    view_data,
    view_markup,
)
from sesstore.structures.chains import Chain, Structure, read_structure
from sesstore.structures.dssp import tokens_dssp
from sesstore.structures.matching import ProteinMatcher

from .conftest import NASTY


def viewed(structure: Structure, sequence: str = "") -> ViewedStructure:
    """The chains of a structure that are the protein of its first one."""
    first = structure.chains[0]
    protein = Protein(f"{structure.path.stem}_{first.id}", normalise(sequence or _text(first)))
    matcher = ProteinMatcher([protein])
    placed = [matcher.match(structure, chain) for chain in structure.chains]
    return ViewedStructure(structure, [chain for chain in placed if chain])


def _text(chain: Chain) -> str:
    return chain.sequence or chain.residues


def view_of(shown: ViewedStructure) -> StructureView:
    sequence = shown.chains[0].protein.sequence
    return StructureView("p", sequence, [numbers("n", np.arange(len(sequence)))], structure=shown)


FILES = ["1aki.pdb", "1igy.cif", "1l2y.cif", "1dix.cif", "3o5r.cif", "5zng.cif", "2axd.cif"]


@pytest.mark.parametrize("name", FILES)
def test_each_residue_of_the_sequence_is_drawn_where_the_file_has_it(
    shared_structures: Path, name: str
) -> None:
    gemmi = pytest.importorskip("gemmi")
    structure = read_structure(shared_structures / name)
    view = view_of(viewed(structure))
    data = view_data(view)["structure"]
    reference = gemmi.read_structure(str(shared_structures / name))
    reference.setup_entities()
    model = {chain.name: chain for chain in reference[0]}
    names = [atom for atom, _ in data["atoms"]]
    mapped = [chain for chain in data["chains"] if "places" in chain]
    assert mapped
    for chain in mapped:
        starts = np.cumsum([0, *chain["counts"]])
        for row, place in enumerate(chain["places"]):
            atoms = range(starts[row], starts[row + 1])
            alpha = next(i for i in atoms if names[chain["kinds"][i]] == "CA")
            number = re.fullmatch(r"(-?\d+)(.?)", chain["numbers"][row])
            assert number
            residue = next(
                r
                for r in model[chain["id"]][number[0]]
                if r.name == chain["residues"][row] and r.find_atom("CA", "*")
            )
            alphas = [atom for atom in residue if atom.name == "CA"]
            best = max(atom.occ for atom in alphas)
            drawn = np.array(chain["xyz"][3 * alpha : 3 * alpha + 3]) / 100
            away = [np.abs(drawn - a.pos.tolist()).max() for a in alphas if a.occ == best]
            assert min(away) < 0.011
            letter = gemmi.find_tabulated_residue(residue.name).one_letter_code.upper()
            assert view.sequence[place] == letter


def test_what_is_not_to_be_seen_is_told(shared_structures: Path, monkeypatch) -> None:
    structure = read_structure(shared_structures / "1igy.cif")
    text = _text(structure.chains[0])
    notes = view_data(view_of(viewed(structure, f"{text}MKV")))["notes"]
    assert notes == [
        "Structure: 1igy.cif.",
        "Chain A: 3 of 216 residues are unresolved (struck out in the sequence).",
        "Grey: chains B, C, D of the same file.",
    ]
    notes = view_data(view_of(viewed(structure, text[5:])))["notes"]
    assert "Chain A: 5 residues of the file are not in the sequence (grey)." in notes
    monkeypatch.setattr(module, "NEIGHBOURS", 500)
    data = view_data(view_of(viewed(structure)))
    assert data["notes"][-1] == "Not drawn, as there is too much of it: chain D."
    assert [chain["id"] for chain in data["structure"]["chains"]] == ["A", "C", "B"]
    models = view_data(view_of(viewed(read_structure(shared_structures / "1l2y.cif"))))["notes"]
    assert models == ["Structure: 1l2y.cif.", "Drawn is the first of 38 models."]


def test_shapes_are_a_chains_own_and_chains_beside_it_are_their_trace(
    shared_structures: Path, monkeypatch
) -> None:
    structure = read_structure(shared_structures / "1igy.cif")
    monkeypatch.setattr(module, "NEIGHBOURS", len(structure.chains[1]))
    data = view_data(view_of(viewed(structure)))["structure"]
    names = np.array([name for name, _ in data["atoms"]])
    assert [chain["id"] for chain in data["chains"]] == ["A", "C", "B"]
    assert data["name"] == "1igy.cif"
    for entry in data["chains"]:
        (chain,) = (chain for chain in structure.chains if chain.id == entry["id"])
        states = DSSP.decode(tokens_dssp(structure.chains)[structure.chains.index(chain)][0])
        kinds = {"H": "h", "G": "h", "I": "h", "E": "s"}
        assert entry["shapes"] == "".join(kinds.get(state, "c") for state in states)
        assert {"h", "s", "c"} == set(entry["shapes"])
        trace = set(names[entry["kinds"]]) == {"CA", "O"}
        assert trace == ("places" not in entry) == (entry["id"] == "B")
        assert len(entry["xyz"]) == 3 * sum(entry["counts"]) == 3 * len(entry["kinds"])


def test_many_chains_are_named_by_the_first() -> None:
    chains = [SimpleNamespace(id=name) for name in ("", *"BCDEFGH")]
    assert module._chains(chains[:1]) == "chain (no name)"
    assert module._chains(chains[1:7]) == "chains B, C, D, E, F, G"
    assert module._chains(chains) == "chains (no name), B, C, D, E, F and 2 more"


def test_hydrogens_and_other_locations_are_left_out(shared_structures: Path) -> None:
    data = view_data(view_of(viewed(read_structure(shared_structures / "1l2y.cif"))))["structure"]
    assert {element for _, element in data["atoms"]} == {"C", "N", "O"}
    data = view_data(view_of(viewed(read_structure(shared_structures / "3o5r.cif"))))["structure"]
    (chain,) = data["chains"]
    starts = np.cumsum([0, *chain["counts"]]).tolist()
    for start, stop in pairwise(starts):
        assert len(set(chain["kinds"][start:stop])) == stop - start


def test_colours_are_of_the_kind_of_the_values() -> None:
    values = np.array([0.5, np.nan, 2.0])
    one_way = numbers("x", values)
    assert [one_way.stops[0][0], one_way.stops[-1][0]] == [0.5, 2.0]
    assert numbers("x", values, 0, 5).stops[-1][0] == 5
    both = numbers("x", np.array([-1.0, 3.0]))
    assert [value for value, _ in both.stops] == [-3, 0, 3]
    assert numbers("x", np.full(3, np.nan)).stops[0][0] == 0
    assert numbers("x", values, low=1).stops[0][0] == 1
    assert numbers("x", values, low=1).stops[-1][0] == 2
    nine = classes("c", np.zeros(3), list("abcdefghi")).classes
    assert [name for name, _ in nine] == list("abcdefghi")
    assert nine[8][1] == nine[0][1]
    assert len({colour for _, colour in nine}) == 8
    assert np.isnan(classes("c", np.array([1, -1, 0]), ["a", "b"]).values[1])
    assert token_mask("3Di", "DV#").values.tolist() == [0, 0, 1]
    bands = plddt(np.array([95, 20])).bands
    assert [low for low, *_ in bands] == [90, 70, 50, 0]
    data = view_data(StructureView("p", "MKV", [numbers("x", values)]))
    assert data["colourings"][0]["values"] == [0.5, None, 2.0]
    assert data["structure"] is None


def test_what_comes_from_outside_cannot_leave_its_place(parsed) -> None:
    nasty = "</script><script>alert(1)</script>"
    page = Page("t")
    view = StructureView(
        NASTY + nasty, "MKV", [numbers(nasty, np.arange(3.0))], {nasty: "DVP"}, notes=[nasty]
    )
    page.html(view_markup(view, nonce="abc"))
    page.once(view_assets(three_d=False))
    html = page.render()
    assert "<script>alert" not in html
    assert 'nonce="abc"' in html
    data = re.search(r'<script type="application/json" nonce="abc">(.*?)</script>', html)
    assert data
    assert json.loads(data[1])["id"] == NASTY + nasty
    assert parsed(html)[0] == []


def test_the_molecule_stands_once_and_only_where_there_is_a_structure() -> None:
    page = Page("t")
    for _ in range(2):
        page.html(view_markup(StructureView("p", "MKV", [numbers("x", np.arange(3.0))])))
        page.once(view_assets(three_d=False))
    assert page.render().count("window.sesstoreView =") == 1
    assert len(page.render()) < 40_000
    page.once(view_assets(three_d=True))
    assert "3dmol" in page.render()
    assert "</script" not in module.molecule_script()
    marked = view_assets(three_d=True, nonce="abc")
    assert len(re.findall(r'<(?:style|script) nonce="abc">', marked)) == 3
    assert not re.search("<(?:style|script)>", marked)


def test_the_molecule_is_the_version_its_notice_tells() -> None:
    script = files("sesstore.reports").joinpath(module.MOLECULE_SCRIPT).read_bytes()
    assert hashlib.sha256(script).hexdigest() == module.MOLECULE_SHA256
    notice = Path(__file__).parents[2].joinpath("NOTICE").read_text()
    assert module.MOLECULE_SHA256 in notice
    assert f"3Dmol.js {module.MOLECULE_VERSION}" in notice


PROBE = """
<pre id="probe"></pre><script>
const track = document.querySelector(".sv-track"), lines = [];
const state = () => document.querySelector(".sv-state").textContent;
for (const key of ["ArrowRight", "ArrowRight", "End", "Home", "Enter", "Escape"]) {
  track.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  lines.push(`${key}: ${state()}`);
}
const choice = document.querySelector("select");
choice.value = 1;
choice.dispatchEvent(new Event("change"));
lines.push(document.querySelector(".sv-legend").textContent);
const cells = [...document.querySelectorAll("[data-place]")];
cells[2].dispatchEvent(new MouseEvent("click", { bubbles: true }));
lines.push(track.getAttribute("aria-activedescendant") === cells[2].id);
lines.push(cells[2].getAttribute("aria-label"), cells[0].className, cells[0].style.background);
lines.push(document.querySelectorAll("canvas").length);
document.getElementById("probe").textContent = lines.join("\\n");
</script>"""


def probed(structure: Structure, path: Path) -> Path:
    """A page that works a view by keyboard and pointer, and writes down what happens."""
    first = structure.chains[0]
    shown = viewed(structure, f"M{_text(first)}")
    sequence = shown.chains[0].protein.sequence
    kinds = np.r_[-1, np.arange(len(sequence) - 1) % 2]
    colourings = [numbers("n", np.arange(len(sequence))), classes("kind", kinds, ["a<b>", "c"])]
    page = Page("probe")
    page.html(view_markup(StructureView("p", sequence, colourings, structure=shown)))
    page.once(view_assets(three_d=True))
    page.once(PROBE)
    return page.write(path)


def told(dom: str) -> list[str]:
    text = re.search(r'<pre id="probe">(.*?)</pre>', dom, re.S)
    assert text
    return unescape(text[1]).split("\n")


SOFTWARE_3D = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
NO_3D = ("--disable-3d-apis",)
UNDRAWN = 'class="note sv-undrawn"'


@pytest.mark.parametrize("flags", [NO_3D, SOFTWARE_3D], ids=["without WebGL", "with WebGL"])
def test_sequence_and_structure_are_worked_by_keyboard_and_pointer(
    shared_structures: Path, tmp_path: Path, browser, flags: tuple[str, ...]
) -> None:
    structure = read_structure(shared_structures / "1l2y.cif")
    dom, console = browser(probed(structure, tmp_path / "probe.html"), *flags)
    drawn = UNDRAWN not in dom
    if flags == SOFTWARE_3D and not drawn:
        pytest.skip("this chromium draws no WebGL without a GPU")
    # What WebGL says of its own speed is no fault of the page's.
    assert [line for line in console.splitlines() if "WebGL" not in line] == []
    assert drawn == (flags == SOFTWARE_3D)
    *keys, legend, active, label, first, colour, canvases = told(dom)
    assert keys[:5] == [
        "ArrowRight: Met 1 (unresolved): n 0; kind no value",
        "ArrowRight: Asn 2 (ASN 1 of chain A): n 1; kind a<b>",
        "End: Ser 21 (SER 20 of chain A): n 20; kind c",
        "Home: Met 1 (unresolved): n 0; kind no value",
        "Enter: Met 1 (unresolved): n 0; kind no value",
    ]
    assert keys[5].startswith("Escape: Point at a residue")
    assert legend == "a<b> (10)c (10)no value (1)"
    assert (active, label) == ("true", "Leu 3 (LEU 2 of chain A): n 2; kind c")
    assert (first, colour) == ("sv-unresolved", "")
    assert (int(canvases) > 0) == drawn


def test_a_sequence_with_nothing_to_colour_by_is_plain(tmp_path: Path, browser) -> None:
    page = Page("plain")
    page.html(view_markup(StructureView("p", "MKV", [])))
    page.once(view_assets(three_d=False))
    page.once(
        "<script>document.title = document.querySelector('.sv-tools label').offsetWidth</script>"
    )
    dom, console = browser(page.write(tmp_path / "plain.html"))
    assert console == ""
    assert "<title>0</title>" in dom
    assert '<ul class="sv-legend"></ul>' in dom
    assert dom.count("data-place=") == 3


def test_the_script_is_javascript() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    script = Path(module.__file__).with_name("structure_view.js")
    subprocess.run([node, "--check", script], check=True, capture_output=True)
