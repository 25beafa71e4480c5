"""Options that do not go together are refused at once, by name, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.store import Store

REFUSED = {
    "plan --plm near@0 --layer 1 --proteins human": "Leave --layer out",
    "embed --plm near@0 --layer 1": "Leave --layer out",
    "status --plm near@0 --layer 1": "Leave --layer out",
    "embed --plm near --workers 2": "--workers belongs to --engine ray",
    "embed --plm near --source pdb": "Leave --source and --min-plddt out",
    "embed --plm near --address auto": "--address belongs to --engine ray",
    "sweep task --workers 2": "--workers belongs to --engine ray",
    "sweep task --search 3 --engine ray": "takes no --engine ray",
    "train task --folds 3 --track tensorboard": "--track follows one training",
    "repair --quick": "are for a store in object storage",
    "repair --from other": "are for a store in object storage",
    "report run other --protein A": "--protein is for the report of one run",
    "tokens --source md": "or one --trajectory",
    "tokens a.pdb --source md --trajectory r.xtc": "or one --trajectory",
    "tokens --source md --trajectory r.xtc --import fasta": "not a --trajectory",
    "tokens a.pdb --source md --topology t.pdb": "belongs to a --trajectory",
    "tokens a.pdb --source md --only-known": "--only-known belongs to --import",
    "tokens a.pdb --source md --alphabet esm3": "--alphabet belongs to --import",
    "tokens a.pdb --source md --prostt5 m.pt --engine ray": "is for structure files",
    "tokens a.pdb --source md --import fasta --engine ray": "is for structure files",
    "tokens a.pdb --source md --stride 2": "--stride belongs to a --trajectory",
    "tokens a.pdb --source md --weights w.pt": "--weights belongs to --prostt5",
    "tokens a.pdb --source md --import dssp --chain A --workers 2": "takes no --chain, --workers",
    "tokens a.pdb --source md --import dssp --dssp mdtraj --stride 1": "takes no --dssp, --stride",
    "tokens --source md --trajectory r.xtc --workers 2": "--trajectory takes no --workers",
    "tokens --source md --trajectory r.xtc --prostt5 m.pt": "--trajectory takes no --prostt5",
    "tokens a.pdb --source md --prostt5 m.pt --sequences a.fasta --only-known": (
        "--prostt5 takes no --sequences, --only-known"
    ),
    "plan --plm near --proteins human --weights w.pt": "--weights belongs to --measure",
    "train task --resume": "which training shall go on? Name its folder with --out",
    "sweep task --resume": "which training shall go on? Name its folder with --out",
    "doctor task --label y --drop-unlabelled": "--label, --drop-unlabelled: said of files",
    "doctor task --allow-partial": "examine files with --data",
    "export npy o --source pdb": "has no structure tokens",
    "export ses-adapter o --task task --plm near": "has no embeddings",
    "export ses-adapter o": "rows of a whole task",
    "export ses-adapter o --task task --reduce mean": "rows of a whole task",
    "export ses-adapter o --task task --ids ids.txt": "rows of a whole task",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_does_not_go_together(words: str, cli) -> None:
    Store.open("store", create=True)
    Path("a.pdb").touch()
    before = sorted(Path().rglob("*"))
    said = cli(*words.split())
    assert (said.status, REFUSED[words] in said.err) == (2, True), said.err
    assert sorted(Path().rglob("*")) == before
