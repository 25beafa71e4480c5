from __future__ import annotations

import numpy as np
import pytest
import torch

from sesstore.alphabets import DSSP, ESM3, FOLDSEEK, SS3
from sesstore.errors import InputError, NotStoredError
from sesstore.provenance import circumstances
from sesstore.residues import StructureTokens
from sesstore.streaming.reader import SplitData, is_labelled
from sesstore.tasks import IGNORED, Problem

BOTH = ("foldseek", "dssp")


def data(stored, **settings) -> SplitData:
    view, tokens = stored.store.embeddings(), stored.store.tokens("alphafold2")
    return SplitData(view, tokens, stored.digests, alphabets=BOTH, **settings)


def test_batches_hold_each_proteins_residues_in_order(stored) -> None:
    index = np.array([5, 1, 20, 5])
    batch = data(stored).read(index)
    expected = np.concatenate([stored.values[stored.proteins[i].digest] for i in index])
    np.testing.assert_allclose(batch.values.numpy(), expected, atol=2e-3)
    assert batch.lengths == tuple(len(stored.proteins[i]) for i in index)
    assert batch.cu_seqlens.tolist() == [0, *np.cumsum(batch.lengths)]
    assert batch.index.tolist() == index.tolist()
    codes = [stored.tokens[stored.proteins[i].digest].codes["dssp"][0] for i in (5, 1)]
    start = len(stored.proteins[5])
    assert batch.tokens["dssp"][:start].tolist() == codes[0].tolist()
    assert batch.tokens["dssp"][start : start + len(codes[1])].tolist() == codes[1].tolist()


def test_int8_is_decoded_on_the_way(stored_as) -> None:
    stored = stored_as("int8")
    batch = data(stored).read(np.arange(4))
    expected = np.concatenate([stored.values[p.digest] for p in stored.proteins[:4]])
    assert batch.values.dtype == torch.float32
    np.testing.assert_allclose(batch.values.numpy(), expected, atol=0.03)


def test_a_protein_without_structure_is_masked_not_dropped(stored) -> None:
    split = data(stored)
    batch = split.read(np.array([23]))
    assert set(batch.tokens["foldseek"].tolist()) == {FOLDSEEK.mask}
    assert set(batch.tokens["dssp"].tolist()) == {DSSP.mask}
    assert split.coverage.proteins == 24
    assert split.coverage.with_tokens == 20


def test_three_states_are_read_from_stored_eight(stored) -> None:
    view, tokens = stored.store.embeddings(), stored.store.tokens("alphafold2")
    split = SplitData(view, tokens, stored.digests, alphabets=("ss3",), min_plddt=70)
    item = stored.tokens[stored.proteins[5].digest]
    expected = np.where(item.plddt < 70, SS3.mask, SS3.reduced(item.codes["dssp"][0]))
    assert split.read(np.array([5])).tokens["ss3"].tolist() == expected.tolist()
    assert split.read(np.array([23])).tokens["ss3"].unique().tolist() == [SS3.mask]


def test_wide_codes_are_read_masked_and_shared(stored) -> None:
    rng = np.random.default_rng(1)
    wide = []
    for i, protein in enumerate(stored.proteins[:3]):
        codes = rng.integers(0, 4096, (3 if i == 0 else 1, len(protein)))
        plddt = np.full(len(protein), 20 if i == 2 else 90, np.uint8)
        wide.append(StructureTokens(protein.digest, "wide", {"esm3": codes}, plddt))
    stored.store.add_tokens(wide, circumstances())
    view, tokens = stored.store.embeddings(), stored.store.tokens("wide")
    split = SplitData(view, tokens, stored.digests, alphabets=("esm3",), min_plddt=70)
    assert split.read(np.array([1])).tokens["esm3"].tolist() == wide[1].codes["esm3"][0].tolist()
    assert split.read(np.array([2])).tokens["esm3"].unique().tolist() == [ESM3.mask]
    shares = split.read(np.array([0])).tokens["esm3"]
    assert shares.shape == (len(wide[0]), ESM3.size)
    one = np.eye(ESM3.size, dtype=np.float32)[wide[0].codes["esm3"]].mean(0)
    np.testing.assert_allclose(shares.numpy(), one)


def test_conformers_become_shares_of_codes(stored) -> None:
    batch = data(stored).read(np.array([0, 1]))
    shares = batch.tokens["foldseek"]
    assert shares.shape == (sum(batch.lengths), FOLDSEEK.size)
    torch.testing.assert_close(shares.sum(1), torch.ones(len(shares)))
    first = stored.tokens[stored.proteins[0].digest].codes["foldseek"][:, 0]
    assert shares[0].tolist() == pytest.approx(
        [float((first == code).mean()) for code in range(FOLDSEEK.size)]
    )


def test_held_in_memory_or_not_rows_are_the_same(stored) -> None:
    index = np.array([7, 23, 0, 7])
    from_store, held = data(stored, min_plddt=70), data(stored, min_plddt=70)
    held.hold("ram", torch.device("cpu"))
    one, other = from_store.read(index), held.read(index)
    assert torch.equal(one.values, other.values)
    for name in BOTH:
        assert torch.equal(one.tokens[name], other.tokens[name])
    assert from_store.coverage == held.coverage


def test_min_plddt_masks_when_reading(stored) -> None:
    protein = stored.proteins[3]
    tokens = stored.tokens[protein.digest]
    batch = data(stored, min_plddt=50).read(np.array([3]))
    expected = np.where(tokens.plddt < 50, DSSP.mask, tokens.codes["dssp"][0])
    assert batch.tokens["dssp"].tolist() == expected.tolist()
    coverage = data(stored, min_plddt=50).coverage
    assert coverage.unmasked["dssp"] < data(stored).coverage.unmasked["dssp"]


def test_coverage_counts_residues_with_a_code(stored) -> None:
    coverage = data(stored).coverage
    known = sum(len(t) for t in stored.tokens.values())
    assert coverage.residues == sum(len(p) for p in stored.proteins)
    assert coverage.unmasked == {"foldseek": known, "dssp": known}


def test_labels_by_problem(stored) -> None:
    n = len(stored.proteins)
    index = np.array([2, 0])

    def packed(problem, labels, classes=0):
        settings = {"labels": labels, "problem": problem, "n_classes": classes}
        return data(stored, **settings).read(index).labels

    assert packed(Problem.SINGLE_LABEL, list(range(n))).tolist() == [2, 0]
    assert packed(Problem.REGRESSION, [i / 2 for i in range(n)]).tolist() == [1.0, 0.0]
    multi = packed(Problem.MULTI_LABEL, [(0, i % 3) for i in range(n)], 3)
    assert multi.tolist() == [[1, 0, 1], [1, 0, 0]]
    lengths = [len(p) for p in stored.proteins]
    residues = packed(Problem.RESIDUE_SINGLE_LABEL, [np.full(m, i) for i, m in enumerate(lengths)])
    assert residues.tolist() == [2] * lengths[2] + [0] * lengths[0]


def test_residue_labels_must_have_one_label_a_residue(stored) -> None:
    labels = [np.zeros(len(p), np.int64) for p in stored.proteins]
    labels[3] = labels[3][:-1]
    with pytest.raises(InputError, match="labels"):
        data(stored, labels=labels, problem=Problem.RESIDUE_SINGLE_LABEL)


def test_ignored_residues() -> None:
    assert is_labelled(torch.tensor([1, IGNORED])).tolist() == [True, False]
    assert is_labelled(torch.tensor([1.0, float("nan")])).tolist() == [True, False]


def test_missing_embeddings_say_what_to_do(stored) -> None:
    digests = np.zeros((1, 32), np.uint8)
    with pytest.raises(NotStoredError, match="sesstore embed"):
        SplitData(stored.store.embeddings(), None, digests)


def test_without_labels_there_are_none(stored) -> None:
    split = data(stored)
    assert split.read(np.array([0])).labels is None
    with pytest.raises(InputError):
        split.all_labels()
