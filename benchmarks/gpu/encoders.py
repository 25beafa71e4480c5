"""Every family on the device, in each of its precisions, against float32 on the CPU."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from sesstore.encoders import esm, near, registry
from sesstore.encoders.catalogue import EncoderSpec, Options
from sesstore.encoders.randomweights import write_random_esm2
from sesstore.errors import InputError
from sesstore.proteins import Protein

from ..differences import relative_error
from .proteins import draw_proteins
from .visit import TEMPORARY, Visit

TOLERANCE = {"fp32": 1e-4, "fp16": 2e-3, "bf16": 6e-2}
Load = Callable[[str, str], Any]
Values = dict[bytes, np.ndarray]


def check(visit: Visit) -> dict[str, Any]:
    """Compare values, the same proteins again, and each protein alone with it among others."""
    errors: dict[str, Any] = {}
    wrong: list[str] = []
    proteins = [*draw_proteins([1, 60, 3, 331, 61, 700]), Protein("odd", "MKXXUZOBWJX")]
    with tempfile.TemporaryDirectory(dir=TEMPORARY) as folder:
        for name, load in _families(Path(folder), visit.tiny):
            try:
                expected = encode(load("cpu", "fp32"), proteins)
                for precision in TOLERANCE:
                    row = _errors(load, str(visit.device), precision, proteins, expected)
                    errors[f"{name} {precision}"] = row
                    wrong += [f"{name} {precision}: {row}"] * _is_wrong(row, precision, visit)
            except Exception as problem:
                wrong.append(f"{name}: {type(problem).__name__}: {str(problem)[:300]}")
    return {"wrong": wrong, "errors": errors}


def encode(encoder: Any, proteins: list[Protein]) -> Values:
    """Return embeddings as float32, by digest."""
    return {e.digest: np.array(e.values, np.float32) for e in encoder.encode(proteins)}


def worst_error(values: Values, expected: Values) -> float:
    """Return the largest relative error of a protein."""
    assert values.keys() == expected.keys()
    return max(relative_error(array, expected[digest]) for digest, array in values.items())


def _errors(
    load: Load, device: str, precision: str, proteins: list[Protein], expected: Values
) -> dict[str, Any]:
    try:
        encoder = load(device, precision)
    except InputError:  # the family does not run in it
        return {}
    values, repeated = encode(encoder, proteins), encode(encoder, proteins)
    alone = {p.digest: encode(encoder, [p])[p.digest] for p in proteins[:4]}
    return {
        "error": worst_error(values, expected),
        "batch_mates": max(relative_error(array, values[d]) for d, array in alone.items()),
        "same_bits_again": all(np.array_equal(values[d], repeated[d]) for d in values),
    }


def _is_wrong(row: dict[str, Any], precision: str, visit: Visit) -> bool:
    if not row:
        return False
    bits = row["same_bits_again"] and (row["batch_mates"] == 0 or not visit.gpu)
    return not (row["error"] <= TOLERANCE[precision] and bits)


def _families(folder: Path, tiny: bool) -> Iterator[tuple[str, Load]]:
    shapes = ((3, 48, 4),) if tiny else ((3, 48, 4), (6, 320, 20), (12, 480, 20), (3, 1280, 20))
    for layers, dim, heads in shapes:
        path = folder / f"esm2-{dim}.pt"
        spec = write_random_esm2(path, layers=layers, dim=dim, heads=heads)
        yield f"esm2 {layers} x {dim}", _loader(esm, spec, path)
    path = folder / "near.npz"
    np.savez(path, **_near_weights())  # type: ignore[arg-type]
    yield "near", _loader(near, registry.spec("near"), path)
    yield from _folder_families(folder)


def _folder_families(folder: Path) -> Iterator[tuple[str, Load]]:
    """T5, BERT, ESM C, AMPLIFY, E1 as the tests make them, where transformers is installed."""
    for package in ("own", "own.encoders", "own.conformance"):  # 'tests' may be another's
        module = sys.modules[package] = ModuleType(package)
        module.__path__ = [str(Path("tests", *package.split(".")[1:]).resolve())]
    try:
        tests = import_module("own.encoders.test_folders_families")
    except ImportError as problem:
        print(f"without T5, BERT and ESM C: {problem}")
        return
    for name, make in tests.MAKERS.items():
        family_folder = folder / name
        family_folder.mkdir()
        try:
            spec, *_ = make(name, family_folder)
        except BaseException as problem:  # pytest's skip is no Exception
            print(f"without {name}: {str(problem)[:200]}")
            continue
        yield name, _loader(tests.module(spec), spec, family_folder)
    gated = import_module("own.encoders.test_gated_trunk")
    for name, (write, _) in gated.MAKERS.items():
        family_folder = folder / name
        family_folder.mkdir()
        write(family_folder)
        spec = gated.small_spec(name)
        yield name, _loader(tests.module(spec), spec, family_folder)


def _loader(module: Any, spec: EncoderSpec, path: Path) -> Load:
    return lambda device, precision: module.load(spec, Options(path, device, precision=precision))


def _near_weights() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    weights = {"embedding_layer.weight": random.standard_normal((256, 25)).astype(np.float32)}
    for block in range(8):
        for half in (1, 2):
            name = f"conv_layers.{block}.conv{half}"
            kernel = random.standard_normal((256, 256, 7)) / 60
            weights[f"{name}.weight"] = kernel.astype(np.float32)
            weights[f"{name}.bias"] = (random.standard_normal(256) / 20).astype(np.float32)
    return weights
