from __future__ import annotations

import numpy as np
import pytest
import torch

from sesstore.alphabets import DSSP, ESM3, FOLDSEEK, SS3
from sesstore.errors import InputError, NotStoredError
from sesstore.provenance import circumstances
from sesstore.residues import StructureTokens
from sesstore.store import Tokens
from sesstore.streaming.reader import SplitData, is_labelled
from sesstore.tasks import IGNORED, Problem

from .conftest import BOTH, data


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


class Counting:
    """A store's tokens that count how often they are asked for."""

    def __init__(self, tokens: Tokens) -> None:
        self.source, self.asked, self._tokens = tokens.source, 0, tokens

    def get_all(self, digests):
        self.asked += 1
        return self._tokens.get_all(digests)


@pytest.mark.parametrize(
    ("residency", "again"), [("ram", False), ("device", False), ("disk", True)]
)
def test_what_is_held_is_not_read_again(stored, residency, again) -> None:
    tokens = Counting(stored.store.tokens("alphafold2"))
    split = SplitData(stored.store.embeddings(), tokens, stored.digests, alphabets=BOTH)
    split.hold(residency, torch.device("cpu"))
    before = tokens.asked
    split.read(np.array([3, 4]))
    assert (tokens.asked > before) is again
    assert (split._resident is None) is again


def test_min_plddt_masks_when_reading(stored) -> None:
    protein = stored.proteins[3]
    tokens = stored.tokens[protein.digest]
    batch = data(stored, min_plddt=50).read(np.array([3]))
    expected = np.where(tokens.plddt < 50, DSSP.mask, tokens.codes["dssp"][0])
    assert batch.tokens["dssp"].tolist() == expected.tolist()
    coverage = data(stored, min_plddt=50).coverage
    assert coverage.unmasked["dssp"] < data(stored).coverage.unmasked["dssp"]


def test_rows_are_counted_over_several_portions(stored, monkeypatch) -> None:
    whole = data(stored)
    monkeypatch.setattr("sesstore.streaming.splittokens.PORTION", 7)
    pieces = data(stored)
    assert pieces.coverage == whole.coverage
    np.testing.assert_array_equal(pieces.unmasked(), whole.unmasked())
    np.testing.assert_array_equal(pieces.with_tokens, whole.with_tokens)
    assert whole.with_tokens.tolist() == [True] * 20 + [False] * 4


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


@pytest.mark.parametrize("problem", [Problem.RESIDUE_SINGLE_LABEL, Problem.RESIDUE_REGRESSION])
@pytest.mark.parametrize("beyond", [-1, 1])
def test_residue_labels_must_have_one_label_a_residue(stored, problem, beyond) -> None:
    labels = [np.zeros(len(p)) for p in stored.proteins]
    length = len(stored.proteins[3])
    labels[3] = np.zeros(length + beyond)
    said = f"row 4 has {length + beyond} residue labels and {length} residues"
    with pytest.raises(InputError, match=said):
        data(stored, labels=labels, problem=problem)


def test_places_go_by_segment_then_by_start(stored) -> None:
    """The store has two segments whose proteins start at the same numbers."""
    shuffled = stored.digests[np.random.default_rng(6).permutation(len(stored.digests))]
    split = SplitData(stored.store.embeddings(), None, shuffled)
    segments, starts, _ = split.embeddings.locate(split.rows)
    order = sorted(range(len(split)), key=lambda row: (int(segments[row]), int(starts[row])))
    assert [int(split.places[row]) for row in order] == list(range(len(split)))
    assert len(set(segments.tolist())) == 2
    assert len(set(starts.tolist())) < len(split)


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


def test_what_is_added_to_logits_is_that_of_the_rows(stored) -> None:
    split = data(stored)
    split.offset = torch.arange(len(split) * 2.0).reshape(-1, 2)
    index = np.array([5, 1, 20, 5])
    assert torch.equal(split.read(index).offset, split.offset[torch.from_numpy(index)])


def test_all_labels_are_those_of_all_rows_in_their_type(stored) -> None:
    n, lengths = len(stored.proteins), [len(p) for p in stored.proteins]

    def labels(problem, values):
        return data(stored, labels=values, problem=problem, n_classes=2).all_labels()

    assert labels(Problem.SINGLE_LABEL, list(range(n))).tolist() == list(range(n))
    assert labels(Problem.SINGLE_LABEL, list(range(n))).dtype == torch.int64
    assert labels(Problem.REGRESSION, list(range(n))).dtype == torch.float32
    several = labels(Problem.MULTI_LABEL, [(), (1,), (0, 1), *[(0,)] * (n - 3)])
    assert several[:4].tolist() == [[0, 0], [0, 1], [1, 1], [1, 0]]
    assert several.dtype == torch.float32
    numbers = [np.arange(length) + row for row, length in enumerate(lengths)]
    for problem, dtype in (
        (Problem.RESIDUE_SINGLE_LABEL, torch.int64), (Problem.RESIDUE_REGRESSION, torch.float32),
    ):  # fmt: skip
        packed = labels(problem, numbers)
        assert packed.dtype == dtype
        assert packed.tolist() == np.concatenate(numbers).tolist()
    assert len(data(stored, problem=Problem.RESIDUE_REGRESSION)) == n  # to predict: no labels
    unlabelled = data(stored, labels=None, problem=Problem.SINGLE_LABEL)
    assert unlabelled.read(np.array([1])).labels is None


def test_how_many_embeddings_are_missing_of_how_many(stored) -> None:
    digests = np.concatenate([stored.digests[:3], np.zeros((2, 32), np.uint8)])
    with pytest.raises(NotStoredError, match=r"^2 of 5 proteins have no embedding by enc"):
        SplitData(stored.store.embeddings(), None, digests)


def test_without_alphabets_or_tokens_nothing_is_read(stored) -> None:
    view, tokens = stored.store.embeddings(), Counting(stored.store.tokens("alphafold2"))
    bare = SplitData(view, tokens, stored.digests)
    bare.hold("ram", torch.device("cpu"))
    assert bare.read(np.array([1])).tokens == {}
    assert (tokens.asked, bare.coverage.with_tokens) == (0, 0)
    assert bare.unmasked().tolist() == [0.0] * len(bare)
    assert not bare.with_tokens.any()
    masked = SplitData(view, None, stored.digests, alphabets=BOTH)
    assert set(masked.read(np.array([1])).tokens["dssp"].tolist()) == {DSSP.mask}
    assert masked.coverage.unmasked == {"foldseek": 0, "dssp": 0}
    assert masked.coverage.residues == sum(len(p) for p in stored.proteins)
    assert masked.alphabets == BOTH
