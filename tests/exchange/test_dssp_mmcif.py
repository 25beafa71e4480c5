"""States in mmCIF: mkdssp's own table, and stretches that DSSP found."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.alphabets import DSSP
from sesstore.errors import InputError
from sesstore.exchange.dsspfile import read_dssp


def summed(structures: Path, path: Path, *, entry: str = "1aki.cif", **columns: list[str]) -> Path:
    """An entry with states as mkdssp 4 adds them."""
    from biotite.structure.io.pdbx import CIFCategory, CIFFile

    file = CIFFile.read(structures / entry)
    file.block["dssp_struct_summary"] = CIFCategory(columns)
    file.write(path)
    return path


def test_states_of_mmcif_are_found_by_chain_and_place(
    shared_structures: Path, tmp_path: Path
) -> None:
    """One without a record is unknown; one without a state is a coil; others' are not taken."""
    places = [str(place) for place in (1, 2, 3, 5, 129, 4)]
    path = summed(
        shared_structures, tmp_path / "x.cif", label_asym_id=["A"] * 5 + ["B"],
        label_seq_id=places, secondary_structure=["H", ".", "?", "P", "E", "G"],
    )  # fmt: skip
    (one,) = read_dssp(path)
    assert DSSP.decode(one.codes["dssp"][0]) == "HLL#L" + "#" * 123 + "E"
    assert (one.labels, one.chain.id, len(one.chain)) == (("x",), "A", 129)
    assert one.chain.numbers.tolist() == list(range(1, 130))


def test_states_are_those_of_label_asym_id_and_chains_the_authors(
    shared_structures: Path, tmp_path: Path
) -> None:
    """The second chain of 5ZNG is B in the tables, and C to its authors."""
    path = summed(
        shared_structures, tmp_path / "x.cif", entry="5zng.cif",
        label_asym_id=["A", "B", "C"], label_seq_id=["12", "10", "10"],
        secondary_structure=["H", "E", "G"],
    )  # fmt: skip
    found = {one.chain.id: one for one in read_dssp(path)}
    assert list(found) == ["A", "C"]
    for one, state, number in zip(found.values(), "HE", (991, 30), strict=True):
        states = DSSP.decode(one.codes["dssp"][0])
        assert states.replace("#", "") == state
        assert one.chain.numbers[states.index(state)] == number
    assert [one.labels for one in found.values()] == [("x_A", "x"), ("x_C", "x")]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"label_asym_id": ["A"], "secondary_structure": ["H"]}, "has not all of label_asym_id"),
        (
            {"label_asym_id": ["A"], "label_seq_id": ["x"], "secondary_structure": ["H"]},
            "has broken tables",
        ),
        (
            {"label_asym_id": ["A"], "label_seq_id": ["1"], "secondary_structure": ["x"]},
            r"x\.cif chain A: letter 'x' at position 1",
        ),
    ],
)
def test_broken_states_of_mmcif(
    shared_structures: Path, tmp_path: Path, columns: dict[str, list[str]], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        list(read_dssp(summed(shared_structures, tmp_path / "x.cif", **columns)))


STRETCHES = {
    "HELX_RH_AL_P": "H", "HELX_RH_3T_P": "G", "HELX_RH_PI_P": "I", "HELX_LH_PP_P": "P",
    "STRN": "E", "TURN_TY1_P": "T", "BEND": "S", "OTHER": "L",
}  # fmt: skip


def test_every_kind_of_stretch_is_its_state(shared_structures: Path, tmp_path: Path) -> None:
    from biotite.structure.io.pdbx import CIFCategory, CIFFile

    file = CIFFile.read(shared_structures / "1aki.cif")
    begins = [2 + 4 * i for i in range(len(STRETCHES))]
    file.block["struct_conf"] = CIFCategory(
        {
            "conf_type_id": [*STRETCHES, "STRN"],
            "id": [str(i) for i in range(len(STRETCHES) + 1)],
            "beg_label_asym_id": ["A"] * (len(STRETCHES) + 1),
            "beg_label_seq_id": [str(place) for place in [*begins, 100]],
            "end_label_seq_id": [str(place + 2) for place in begins] + ["100"],
        }
    )
    file.block["struct_conf_type"] = CIFCategory(
        {"id": [*STRETCHES], "criteria": ["author", *["Dssp"] * (len(STRETCHES) - 1)]}
    )
    file.write(tmp_path / "x.cif")
    (one,) = read_dssp(tmp_path / "x.cif")
    states = "".join(f" {letter * 3}" for letter in STRETCHES.values()).ljust(99) + "B"
    expected = states.ljust(len(one.chain)).replace("P", "L").replace(" ", "L")
    assert DSSP.decode(one.codes["dssp"][0]) == expected


def test_states_need_places_to_be_found_by(shared_structures: Path, tmp_path: Path) -> None:
    path = summed(
        shared_structures, tmp_path / "x.cif", label_asym_id=["A"], label_seq_id=["1"],
        secondary_structure=["H"],
    )  # fmt: skip
    path.write_text(path.read_text().replace("_atom_site.label_seq_id", "_atom_site.other", 1))
    with pytest.raises(InputError, match="has no label_seq_id to find its states by"):
        list(read_dssp(path))


@pytest.mark.parametrize(
    ("columns", "row", "said"),
    [
        ("conf_type_id beg_label_asym_id beg_label_seq_id", "STRN A 3", "has not all of"),
        (
            "conf_type_id beg_label_asym_id beg_label_seq_id end_label_seq_id",
            "STRN A 1 2000000000",
            "a stretch of 2,000,000,000 residues",
        ),
    ],
)
def test_stretches_that_cannot_be_are_said(
    shared_structures: Path, tmp_path: Path, columns: str, row: str, said: str
) -> None:
    path = tmp_path / "x.cif"
    tables = "_struct_conf_type.id X\n_struct_conf_type.criteria DSSP\n#\nloop_\n"
    tables += "".join(f"_struct_conf.{name}\n" for name in columns.split()) + f"{row}\n#\n"
    text = (shared_structures / "1aki.cif").read_text().replace("_struct_conf", "_other")
    path.write_text(text.replace("\nloop_", f"\n{tables}loop_", 1))
    with pytest.raises(InputError, match=said):
        list(read_dssp(path))
