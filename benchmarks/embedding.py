"""How fast are embeddings made, against fair-esm, transformers and the machine's own peak?

Random ESM-2 weights of the true sizes, and the same proteins for all: real ones of up to 1,022
residues from ``../shared/data/deeploc_binary``, or drawn lengths where that is absent.

- *sesstore*: ``encode`` as `sesstore embed` calls it; *into_store*: the whole of it, into a store.
- *fair_esm*: its model driven as its bulk extraction script does: the whole set sorted by length
  and cut into padded batches of 4,096 tokens; a few of those batches, evenly spread, are timed.
- *transformers*: EsmModel on padded batches of eight in random order.
- *peak*: matrix products per second (`peak.matmul_peak`), before and after each of them.

On a GPU the rivals run in bf16, too, the peak is that of half precision, `--batches` counts whole
batches of the encoder's budget, and each way runs once before it is timed.

::

    python -m benchmarks.embedding --json                      # both sizes, some minutes
    python -m benchmarks.embedding --device cuda --layers 33   # on a GPU
    python -m benchmarks.embedding --layers 6 --batches 1      # a quick look
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.clock import wall
from benchmarks.peak import matmul_peak
from sesstore.datasets.readers import read_records
from sesstore.encoders import registry
from sesstore.encoders.randomweights import write_random_esm2
from sesstore.jobs.embedding.embed import embed
from sesstore.proteins import Protein
from sesstore.store import Store

_DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "deeploc_binary" / "alphafold2"
_LONGEST = 1022
_PADDED_TOKENS = 4096
"""Of a batch of fair-esm's extraction script."""
_LETTERS = list("ACDEFGHIKLMNPQRSTVWY")


def measure(
    layers: list[int], batches: int, longest: int = _LONGEST, device: str = "cpu"
) -> dict[str, Any]:
    """Return machine, table and ratios of one run.

    Parameters
    ----------
    layers : list of int
        Which sizes of ESM-2.
    batches : int
        How many of fair-esm's 4,096-token batches are timed; on a GPU, of the encoder's own.
    longest : int
        Longest protein taken.
    device : str
        Where all of them run.
    """
    from esm import ESM2  # noqa: F401  its absence should be said before anything is timed

    proteins = [p for p in _proteins() if len(p) <= longest]
    table: dict[str, Any] = {}
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in layers:
            row = _measure_one(size, proteins, batches, Path(folder), torch.device(device))
            table[f"t{size}"] = row
            table |= {name: row.pop(name) for name in ("proteins", "residues")}
            speed = {name: value["tokens_per_second"] for name, value in row["tools"].items()}
            for rival in (name for name in speed if name.startswith(("fair_esm", "transformers"))):
                ratios[f"embed_t{size}_vs_{rival}"] = speed["sesstore"] / speed[rival]
            ratios[f"embed_t{size}_store_cost"] = speed["sesstore"] / speed["into_store"] - 1
            ratios[f"embed_t{size}_share_of_matmul_peak"] = (
                row["tools"]["sesstore"]["gflops"] / row["peak_gflops"]
            )
    table["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"machine": _machine(device), "table": table, "ratios": ratios}


def _measure_one(
    layers: int, proteins: list[Protein], batches: int, folder: Path, device: torch.device
) -> dict[str, Any]:
    spec = registry.spec(f"esm2_t{layers}")
    path = folder / spec.files[0]
    write_random_esm2(path, layers=spec.layers, dim=spec.dim, heads=spec.heads)
    encoder = registry.load(spec.name, weights=path, device=str(device))
    if device.type == "cuda":
        batches *= max(encoder.budget // _PADDED_TOKENS, 1)
    sample = _sample(proteins, batches)
    flops = sum(encoder.flops(len(protein)) for protein in sample)
    residues = sum(map(len, sample))
    peaks, tools = [matmul_peak(device)], {}
    types = {"": torch.float32}
    if device.type == "cuda":
        types["_bf16"] = torch.bfloat16
    contestants: dict[str, Callable[[], Callable[[], None]]] = {
        "sesstore": lambda: _sesstore(encoder, sample),
        "into_store": lambda: _into_store(encoder, sample, folder / "store"),
        "packed_forward": lambda: _bare(encoder, sample),
        **{f"fair_esm{n}": partial(_fair_esm, path, sample, device, t) for n, t in types.items()},
        **{
            f"transformers{n}": partial(_transformers, spec, sample, device, t)
            for n, t in types.items()
        },
    }
    for name, prepare in contestants.items():
        seconds = _seconds(prepare(), device)
        peaks.append(matmul_peak(device))
        tools[name] = {
            "seconds": seconds,
            "tokens_per_second": residues / seconds,
            "gflops": flops / seconds / 1e9,
        }
    path.unlink()
    gflops = [peak / 1e9 for peak in peaks]
    return {
        "tools": tools,
        "peak_gflops": max(gflops),
        "peaks_gflops": gflops,
        "proteins": len(sample),
        "residues": residues,
    }


def _seconds(run: Callable[[], None], device: torch.device) -> float:
    """Seconds of a run to its end; on a GPU of a second one, for kernels are loaded by the first.

    What the device holds that nobody needs any more is given back before: models come and go.
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()
        run()
    return wall(run, device)


def _sesstore(encoder: Any, sample: list[Protein]) -> Callable[[], None]:
    list(encoder.encode(sample[:1]))

    def run() -> None:
        for _ in encoder.encode(sample):
            pass

    return run


def _into_store(encoder: Any, sample: list[Protein], path: Path) -> Callable[[], None]:
    stores = iter([Store.create(path / f"{encoder.name}-{turn}") for turn in range(2)])

    def run() -> None:
        embed(next(stores), encoder, sample)

    return run


def _bare(encoder: Any, sample: list[Protein]) -> Callable[[], None]:
    """The packed forward alone, batch after batch, all threads on each."""

    def run() -> None:
        with torch.inference_mode():
            for batch in _batched(sample, encoder.budget):
                encoder.forward([protein.sequence for protein in batch])

    return run


def _fair_esm(
    path: Path, sample: list[Protein], device: torch.device, dtype: torch.dtype
) -> Callable[[], None]:
    from esm import pretrained

    content = torch.load(path, weights_only=False)  # our own file, read as fair-esm reads it
    model, alphabet, state = pretrained._load_model_and_alphabet_core_v2(content)
    model.load_state_dict(state, strict=False)
    model = model.eval().to(device, dtype)
    convert = alphabet.get_batch_converter(_LONGEST)
    last = model.num_layers

    def run() -> None:
        with torch.no_grad():
            for batch in _padded_batches(sample):
                _, _, tokens = convert([(p.id, p.sequence) for p in batch])
                out = model(tokens.to(device), repr_layers=[last], return_contacts=False)
                states = out["representations"][last].to("cpu")
                for i, protein in enumerate(batch):
                    states[i, 1 : len(protein) + 1].clone()

    model(torch.tensor([[0, 5, 6, 2]], device=device))
    return run


def _transformers(
    spec: Any, sample: list[Protein], device: torch.device, dtype: torch.dtype
) -> Callable[[], None]:
    from transformers import EsmConfig, EsmModel

    config = EsmConfig(
        vocab_size=33,
        hidden_size=spec.dim,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        intermediate_size=4 * spec.dim,
        position_embedding_type="rotary",
        token_dropout=True,
        mask_token_id=32,
        pad_token_id=1,
        emb_layer_norm_before=False,
    )
    model: Any = EsmModel(config, add_pooling_layer=False)
    model = model.eval().to(device, dtype)
    mixed = [sample[i] for i in np.random.default_rng(1).permutation(len(sample))]

    def run() -> None:
        with torch.inference_mode():
            for start in range(0, len(mixed), 8):
                batch = mixed[start : start + 8]
                tokens = torch.ones(len(batch), max(map(len, batch)) + 2, dtype=torch.long)
                for row, protein in zip(tokens, batch, strict=True):
                    row[: len(protein) + 2] = 5
                states = model(tokens.to(device), (tokens != 1).long().to(device))
                states.last_hidden_state.cpu()

    model(torch.tensor([[0, 5, 6, 2]], device=device))
    return run


def _proteins() -> list[Protein]:
    if not _DATA.is_dir():
        rng = np.random.default_rng(0)
        lengths = np.exp(rng.normal(5.8, 0.6, 2000)).clip(40, _LONGEST).astype(int)
        return [Protein(f"p{i}", "".join(rng.choice(_LETTERS, n))) for i, n in enumerate(lengths)]
    files = sorted(_DATA.glob("*.jsonl"))
    return [record.protein for file in files for record in read_records(file)]


def _sample(proteins: list[Protein], count: int) -> list[Protein]:
    """The proteins of some of the extraction script's batches, evenly spread over the lengths."""
    batches = list(_padded_batches(proteins))
    places = np.linspace(0, len(batches) - 1, count + 2)[1:-1].round().astype(int)
    return [protein for place in places for protein in batches[place]]


def _padded_batches(
    proteins: list[Protein], tokens: int = _PADDED_TOKENS
) -> Iterator[list[Protein]]:
    """Batches as fair-esm's extraction script makes them: by length, 4,096 tokens with padding."""
    batch: list[Protein] = []
    for protein in sorted(proteins, key=len):
        if batch and (len(protein) + 1) * (len(batch) + 1) > tokens:
            yield batch
            batch = []
        batch.append(protein)
    if batch:
        yield batch


def _batched(proteins: list[Protein], budget: int) -> Iterator[list[Protein]]:
    batch: list[Protein] = []
    for protein in sorted(proteins, key=len, reverse=True):
        if batch and sum(map(len, batch)) + len(protein) > budget:
            yield batch
            batch = []
        batch.append(protein)
    yield batch


def _machine(device: str) -> dict[str, Any]:
    return {
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else "cpu",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, nargs="+", default=[12, 30])
    parser.add_argument("--batches", type=int, default=6, help="batches timed")
    parser.add_argument("--longest", type=int, default=_LONGEST)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report = measure(options.layers, options.batches, options.longest, options.device)
    if options.json:
        print(json.dumps(report, indent=2))
        return
    for size, row in report["table"].items():
        if isinstance(row, dict):
            print(f"{size}: peak {row['peak_gflops']:.0f} Gflop/s")
            for tool, value in row["tools"].items():
                print(f"  {tool:16} {value['tokens_per_second']:9.0f} residues/s")
    for name, value in report["ratios"].items():
        print(f"{name}: {value:.2f}")


if __name__ == "__main__":
    main()
