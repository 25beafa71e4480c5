"""How fast do structures become tokens, against one mkdssp process a file and Biopython?

The structures of ``../shared/structures`` (the bundled demonstration's where that is absent). The
other way is how DSSP strings are usually made: Biopython parses the file, its ``DSSP`` runs mkdssp
on it and reads the answer; it makes no 3Di and sees the first model only. Both on one core; then
sesstore on two, and two processes that share nothing, which is what the machine allows. Agreement
is counted over all residues of these files, with mkdssp's own P as L.

What it is a share of: embedding by ESM-2 150M (random weights of the true size) and training for
ten epochs, of proteins with the lengths of ``../shared/data/deeploc_binary``.

::

    python -m benchmarks.serialization --json
    python -m benchmarks.serialization --quick      # three files, no share: a few seconds
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from sesstore.alphabets import DSSP
from sesstore.exchange.dsspfile import read_dssp
from sesstore.store import Store
from sesstore.structures.chains import Structure, read_structure
from sesstore.structures.dssp import tokens_dssp
from sesstore.structures.foldseek import tokens_3di
from sesstore.structures.mkdssp import find_mkdssp, mkdssp_version
from sesstore.structures.structure_files import StructureFile
from sesstore.structures.tokenise import TokenisedChain, tokenise, tokenise_many, tool

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "structures"
_NO_PROTEIN = {"4gxy.pdb", "altloc.cif"}  # RNA; a fragment of one residue: mkdssp refuses both
_QUICK = {"1aki.pdb", "1l2y.cif", "5zng.cif"}
_EPOCHS = 10


def measure(*, quick: bool, copies: int) -> dict[str, Any]:
    """Return machine, table and ratios of one run.

    Parameters
    ----------
    quick : bool
        A small size.
    copies : int
        How often each file is tokenised where all cores are measured.
    """
    program = find_mkdssp()
    with tempfile.TemporaryDirectory(prefix="sesstore-serialization-") as scratch:
        files = _files(Path(scratch), quick)
        table: dict[str, Any] = {"structures": len(files)}
        with _one_core():
            structures = [read_structure(path) for path in files]
            table["residues"] = sum(_residues(structure) for structure in structures)
            table["stages"] = _stages(files, structures, Path(scratch))
            seconds = _best(lambda: _run([*files], 1), 1 if quick else 5) / len(files)
            reference_seconds = _best(lambda: _mkdssp_biopython(files), 1 if quick else 2) / len(
                files
            )
        copied_files = files * (1 if quick else copies)
        table |= {
            "ours_per_second": 1 / seconds,
            "mkdssp_biopython_per_second": 1 / reference_seconds,
            "one_process_per_second": len(copied_files) / _best(lambda: _run(copied_files, 1), 1),
            "two_processes_per_second": len(copied_files) / _best(lambda: _run(copied_files, 2), 1),
            "two_apart_per_second": len(copied_files) / _apart(copied_files),
        }
        table["agreement"] = _agreement(files, structures, Path(scratch), program)
        ratios = {
            "tokens_vs_mkdssp_biopython": reference_seconds / seconds,
            "dssp_agreement_with_mkdssp": table["agreement"]["all"],
            "tokens_two_processes_vs_one": table["two_processes_per_second"]
            / table["one_process_per_second"],
            "two_apart_vs_one": table["two_apart_per_second"] / table["one_process_per_second"],
        }
        if not quick:
            table["seconds_per_million_residues"] = _costs(table["residues"], seconds, len(files))
            ratios |= _shares(table["seconds_per_million_residues"])
    return {"machine": _machine(program), "table": table, "ratios": ratios}


def _files(scratch: Path, quick: bool) -> list[Path]:
    if _SHARED.is_dir():
        paths = sorted(path for path in _SHARED.iterdir() if path.name not in _NO_PROTEIN)
        return [path for path in paths if not quick or path.name in _QUICK]
    # mkdssp needs the files unpacked.
    from sesstore.jobs.demo import demo_files

    for path, _ in list(demo_files().values())[: 3 if quick else None]:
        (scratch / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    return sorted(scratch.glob("*.pdb"))


def _residues(structure: Structure) -> int:
    """Residues of all models."""
    return sum(chain.backbone.shape[0] * len(chain) for chain in structure.chains)


def _stages(files: list[Path], structures: list[Structure], scratch: Path) -> dict[str, float]:
    """Milliseconds a structure of each stage."""
    chains = [
        chain
        for path in files
        for chain in tokenise(path, source="benchmark")
        if isinstance(chain, TokenisedChain)
    ]

    def write() -> None:
        store = Store.create(Path(tempfile.mkdtemp(dir=scratch)) / "store")
        store.add_proteins(chain.protein for chain in chains)
        store.add_tokens((chain.tokens for chain in chains), {})

    work: dict[str, Callable[[], object]] = {
        "read": lambda: [read_structure(path) for path in files],
        "3di": lambda: [
            tokens_3di(chain) for structure in structures for chain in structure.chains
        ],
        "dssp": lambda: [tokens_dssp(structure.chains) for structure in structures],
        "write": write,
    }
    return {f"{name}_ms": 1e3 * _best(stage, 3) / len(files) for name, stage in work.items()}


def _run(files: list[Path], workers: int) -> None:
    models = [(StructureFile(path),) for path in files]
    for _ in tokenise_many(models, source="benchmark", workers=workers):
        pass


def _apart(files: list[Path]) -> float:
    """Seconds two processes take that share nothing but the machine, half of the files each."""
    with ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as pool:
        list(pool.map(_run, [files[:10]] * 2, [1, 1]))  # started, and everything imported
        start = time.perf_counter()
        half = len(files) // 2
        list(pool.map(_run, [files[:half], files[half:]], [1, 1]))
        return time.perf_counter() - start


def _mkdssp_biopython(files: list[Path]) -> None:
    from Bio.PDB import DSSP as BIOPYTHON_DSSP
    from Bio.PDB import MMCIFParser, PDBParser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in files:
            parser = (MMCIFParser if path.suffix == ".cif" else PDBParser)(QUIET=True)
            model = parser.get_structure(path.stem, str(path))[0]
            "".join(row[2] for row in BIOPYTHON_DSSP(model, str(path), dssp="mkdssp"))


def _agreement(
    files: list[Path], structures: list[Structure], scratch: Path, program: str
) -> dict[str, float]:
    """Share of residues with mkdssp's state, of each file's first model and of all residues."""
    agreements, total, shares = 0, 0, {}
    for path, structure in zip(files, structures, strict=True):
        output = scratch / "out.dssp"
        command = [program, "--output-format", "dssp", str(path), str(output)]
        subprocess.run(command, check=True, capture_output=True)
        reference = {
            (entry.chain.id, number, insertion): state
            for entry in read_dssp(output)
            if entry.chain is not None
            for number, insertion, state in zip(
                entry.chain.numbers.tolist(),
                entry.chain.insertions.tolist(),
                DSSP.decode(entry.codes["dssp"][0]),
                strict=True,
            )
        }
        states = {
            (chain.id, number, insertion): state
            for chain, codes in zip(structure.chains, tokens_dssp(structure.chains), strict=True)
            for number, insertion, state in zip(
                chain.numbers.tolist(),
                chain.insertions.tolist(),
                DSSP.decode(codes[0]),
                strict=True,
            )
        }
        agreeing = sum(reference[key] == states.get(key) for key in reference)
        agreements, total = agreements + agreeing, total + len(reference)
        shares[path.name] = agreeing / len(reference)
    return {"all": agreements / total, **shares}


def _costs(residues: int, seconds: float, files: int) -> dict[str, float]:
    """Tokenising, embedding and an epoch of training: on one thread, a million residues."""
    import torch

    from benchmarks.epoch import Bench, real_lengths
    from sesstore.encoders import registry
    from sesstore.encoders.randomweights import write_random_esm2
    from sesstore.proteins import Protein

    torch.set_num_threads(1)
    lengths = real_lengths(60)
    sample = [n for n in lengths if n <= 1022][:6]
    letters = np.random.default_rng(0).choice(list("ACDEFGHIKLMNPQRSTVWY"), max(sample))
    proteins = [Protein(str(i), "".join(letters[:n])) for i, n in enumerate(sample)]
    with tempfile.TemporaryDirectory() as folder:
        spec = registry.spec("esm2_t30")
        path = Path(folder) / spec.files[0]
        write_random_esm2(path, layers=spec.layers, dim=spec.dim, heads=spec.heads)
        encoder = registry.load(spec.name, weights=path, device="cpu", threads=1)
        list(encoder.encode(proteins[:1]))
        embedding = _best(lambda: list(encoder.encode(proteins)), 1) / sum(sample)
        path.unlink()
        epoch = Bench("t30", lengths, Path(folder), 0).row(1)["sesstore_disk_s"]
    return {
        "tokenising": 1e6 * seconds * files / residues,
        "embedding_t30": 1e6 * embedding,
        "epoch_t30": epoch,
    }


def _shares(costs: dict[str, float]) -> dict[str, float]:
    return {
        "tokenising_share_of_embedding_t30": costs["tokenising"] / costs["embedding_t30"],
        f"tokenising_share_of_{_EPOCHS}_epochs_t30": costs["tokenising"]
        / (_EPOCHS * costs["epoch_t30"]),
    }


@contextmanager
def _one_core() -> Iterator[None]:
    """Keep this process, and those it starts, on one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _best(work: Callable[[], object], times: int) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _machine(program: str) -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "tools": tool(),
        "mkdssp": mkdssp_version(program),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--copies", type=int, default=150, help="of each file, for two processes")
    parser.add_argument("--quick", action="store_true", help="three files, no shares")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if shutil.which("mkdssp") is None:
        sys.exit("this compares with mkdssp. Install it: apt install dssp, or conda-forge's dssp")
    report = measure(quick=options.quick, copies=options.copies)
    if options.json:
        print(json.dumps(report))
        return
    for part in ("table", "ratios"):
        for name, value in report[part].items():
            rows = value.items() if isinstance(value, dict) else [("", value)]
            for inner, number in rows:
                print(f"{name + ' ' + inner:42} {number:12.4g}")


if __name__ == "__main__":
    main()
