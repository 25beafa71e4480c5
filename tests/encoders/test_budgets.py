"""How large batches are on a GPU, what an identity is made of, and counted operations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sesstore.encoders import base, esm, near, registry
from sesstore.encoders.base import out_of_memory
from sesstore.encoders.catalogue import Options
from sesstore.encoders.hidden_states import KeptLayers
from sesstore.encoders.tokeniser import Tokeniser
from sesstore.encoders.windows import Piece

GPU = torch.device("cuda", 0)
T6 = registry.spec("esm2_t6")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "w.pt").write_bytes(b"only hashed")
    return tmp_path / "w.pt"


def on_gpu(file: Path, dim: int, layers: str, precision: str) -> esm.Esm:
    """An encoder for a card that is not there: nothing is put on it."""
    spec = replace(T6, dim=dim, layers=8)
    made = esm.load(spec, Options(file, "cpu", layers=layers, precision=precision))
    return esm.Esm(spec, made.fingerprints, GPU, file)


@pytest.mark.parametrize(
    ("dim", "layers", "precision", "rows"),
    [
        (320, "last", "fp32", 65536),
        (5120, "last", "fp16", 65536),
        (5120, "1-4", "fp16", 49152),  # 2 GiB / (4 * 5120 * 2) = 52,428
        (5120, "1-4", "fp32", 16384),  # 26,214
        (5120, "all", "fp32", 16384),  # 13,107, and no less than a block
        (5120, "1-3", "bf16", 65536),  # kept as float16: 69,905
    ],
)
def test_a_batch_on_a_gpu_is_as_large_as_its_kept_layers_may_be(
    file: Path, dim: int, layers: str, precision: str, rows: int
) -> None:
    assert on_gpu(file, dim, layers, precision).budget == rows


def test_batches_on_a_gpu_are_filled_up_to_a_block_that_the_budget_holds(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = on_gpu(file, 320, "last", "fp16")
    blocks = []
    for budget in (65536, 16384, 5000, 4096, 1):
        encoder.budget = budget
        blocks.append(encoder._block)
    assert blocks == [16384, 16384, 4096, 4096, 1]
    a_row = encoder.bytes_per_residue()
    assert a_row == 16 * 320 * 2
    encoder.budget = 65536
    for free, rows in ((10**15, 65536), (2 * a_row * 40_000, 32768), (2 * a_row * 300, 256)):
        monkeypatch.setattr(base, "free_memory", lambda device, free=free: free)
        assert encoder._fitting() == rows
    several = on_gpu(file, 320, "1-4", "fp16")
    free = 2 * 1000 * (a_row + 2 * 4 * 320 * 2)
    monkeypatch.setattr(base, "free_memory", lambda device: free)
    assert several._fitting() == 512
    several.device = torch.device("cpu")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    assert several._fitting() == 200


def test_an_identity_has_every_setting_that_changes_a_number(file: Path) -> None:
    options = Options(file, "cpu", "nterm", "bf16", "2,mean:3")
    first, second = esm.load(T6, options).fingerprints
    assert (first.layer, second.layer) == (2, "mean:3")
    assert first == replace(second, layer=2)
    assert (first.encoder, first.residue_mapping) == ("esm2_t6_8M_UR50D", "esm1b, J->X")
    assert (first.long_policy, first.precision) == ("nterm(1022)", "bf16")
    assert (first.structure, first.imported_from, first.reduction) == ("", "", "")


def test_layers_of_one_pass_lie_in_the_order_they_were_named_in_whatever_comes_first() -> None:
    kept = KeptLayers([3, "mean:2", 1], 4)
    assert sorted(kept.numbers) == [1, 3, 4]
    states = ((n, torch.full((3, 2), float(10 * n))) for n in (1, 3, 4))
    rows = kept.collect(states, torch.tensor([0, 2], dtype=torch.int32), torch.float16)
    assert rows.tolist() == [[30, 30, 35, 35, 10, 10]] * 2
    assert rows.dtype == torch.float16
    whole = KeptLayers(["mean:4"], 4).collect(
        ((n, torch.full((1, 1), value)) for n, value in enumerate((60000.0, 60000, 60000, 4), 1)),
        torch.tensor([0], dtype=torch.int32), torch.float16,
    )  # fmt: skip
    assert whole.tolist() == [[float(np.float16(180004 / 4))]]


def test_rows_of_a_batch_count_what_stands_around_each_protein(file: Path) -> None:
    encoder = esm.load(T6, Options(file, "cpu"))
    encoder._tokeniser = Tokeniser(np.zeros(128, np.int32), (1, 2), (3,))
    encoder.budget = 26
    pieces = [Piece("A" * n, 0) for n in (10, 10, 10, 9, 1)]
    sizes = [[len(piece) for piece in batch] for batch in encoder._batches(iter(pieces))]
    assert sizes == [[10, 10], [10, 9], [1]]


@pytest.mark.parametrize(("precision", "wider"), [("fp16", "bf16"), ("bf16", "fp32")])
def test_the_wider_precision_is_one_that_the_encoder_runs_in(
    file: Path, precision: str, wider: str
) -> None:
    for precisions, advice in ((T6.precisions, wider), (("fp32", precision), "fp32")):
        spec = replace(T6, precisions=precisions)
        encoder = esm.load(spec, Options(file, "cpu", precision=precision))
        with pytest.raises(ValueError, match=f"in {precision}. Encode with --precision {advice}$"):
            encoder._finite(np.zeros((1, 1), np.float16), False)


def test_operations_of_near_are_those_of_its_sixteen_convolutions(tmp_path: Path) -> None:
    (tmp_path / "weights.npz").write_bytes(b"only hashed")
    spec = registry.spec("near")
    whole, half = (
        near.load(spec, Options(tmp_path / "weights.npz", "cpu", layers=layers))
        for layers in ("last", "4")
    )
    assert whole.flops(100) == 2 * half.flops(100) == 16 * 2 * 7 * 256 * 256 * 100
    assert whole.budget == 4096


@pytest.mark.parametrize(
    "text",
    [
        "std::bad_alloc", "could not create a memory object", "cudaErrorMemoryAllocation: x",
        "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED", "Error in cudaHostRegister",
        "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED", "CUSOLVER_STATUS_ALLOC_FAILED",
        "Triton Error [CUDA]: out of memory", "CUDA error: out of memory",
    ],
)  # fmt: skip
def test_more_words_of_full_memory(text: str) -> None:
    assert out_of_memory(RuntimeError(f"before {text} after"))
    assert out_of_memory(torch.OutOfMemoryError("anything"))


def test_an_error_that_is_not_of_memory_is_raised(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = esm.load(T6, Options(file, "cpu"))

    def broken(sequences):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(encoder, "forward", broken)
    with pytest.raises(RuntimeError, match="mat1"):
        encoder._launch([Piece("A", 0)])
    monkeypatch.setattr(encoder, "forward", SimpleNamespace)  # an error of another class
    with pytest.raises(TypeError):
        encoder._launch([Piece("A", 0)])


def test_operations_of_esm_are_those_of_its_products_and_scores(file: Path) -> None:
    whole, half = (esm.load(T6, Options(file, "cpu", layers=layers)) for layers in ("last", "3"))
    a_layer = 2 * 100 * 12 * 320**2 + 2 * 2 * 100**2 * 320
    assert whole.flops(98) == 6 * a_layer == 2 * half.flops(98)
