from __future__ import annotations

import csv
import gzip
import importlib
import io
import json
import os
import signal
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.encoders import registry
from sesstore.encoders.randomweights import write_random_esm2
from sesstore.errors import InputError, MissingFileError, RecordError, StoppedError
from sesstore.jobs.embedding.embed import embed, provenances_of
from sesstore.jobs.predicting import predict as module
from sesstore.jobs.predicting.predict import (
    PredictOptions,
    predict_rows,
    prediction,
    write_predictions,
)
from sesstore.jobs.predicting.prediction_inputs import InputSpec
from sesstore.proteins import Protein
from sesstore.provenance import circumstances
from sesstore.residues import StructureTokens
from sesstore.store import Store
from sesstore.store.summary import summarise
from sesstore.tasks import Problem, Split, Task
from sesstore.training.fit import fit
from sesstore.training.fit_config import FitConfig

from ..embedding.test_embed import Failing

NOTHING = PredictOptions(keep=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Folder with a store of forty proteins, and a run on half of them, tokens of dssp."""
    folder = tmp_path_factory.mktemp("predict")
    rng = np.random.default_rng(5)
    letters = list("ACDEFGHIKLMNPQRSTVWY")
    proteins = [
        Protein(f"p{i}", "".join(rng.choice(letters, int(n))))
        for i, n in enumerate(rng.integers(2, 60, 40))
    ]
    store = Store.create(folder / "store")
    embed(store, registry.load("blosum62"), proteins)
    tokens = [StructureTokens(p.digest, "pdb", {"dssp": _half(len(p))}) for p in proteins]
    store.add_tokens(tokens, circumstances())
    splits = {}
    for name, part in {"train": proteins[:12], "valid": proteins[12:20]}.items():
        digests = np.frombuffer(b"".join(p.digest for p in part), np.uint8).reshape(-1, 32)
        splits[name] = Split(tuple(f"row-{p.id}" for p in part), digests, [0, 1] * (len(part) // 2))
    task = Task("toy", Problem.SINGLE_LABEL, ("out", "in"), splits, ("accuracy",), "accuracy")
    store.add_task(task)
    shape = AdapterConfig(24, 2, ("dssp",), heads=2, width=8, pooling="mean")
    config = FitConfig(epochs=1, batch_tokens=400)
    fit(task, store.embeddings(), store.tokens("pdb"), shape, config, folder / "run")
    write_fasta(folder / "known.fasta", proteins)
    return folder


def _half(length: int) -> np.ndarray:
    codes = np.full(length, 1, np.uint8)
    codes[length // 2 :] = 8
    return codes


def write_fasta(path: Path, proteins: list[Protein]) -> Path:
    path.write_text("".join(f">{p.id}\n{p.sequence}\n" for p in proteins))
    return path


def rows_of(trained: Path, given: InputSpec, store: Store | None, options=None) -> list[dict]:
    with prediction(trained / "run", given, store, options) as predicted:
        return predict_rows(predicted)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_RESIDUES", 100)
    monkeypatch.setattr(module, "CHUNK_PROTEINS", 3)


def test_rows_say_what_they_rest_on(trained: Path) -> None:
    rows = rows_of(
        trained, InputSpec([str(trained / "known.fasta")]), Store.open(trained / "store")
    )
    assert [row["id"] for row in rows] == [f"p{i}" for i in range(40)]
    assert all(row["structure"] and row["encoder"] == "BLOSUM62" for row in rows)
    assert all(row["unmasked"] == round(row["length"] // 2 / row["length"], 4) for row in rows)
    assert all(row["p_out"] + row["p_in"] == pytest.approx(1, abs=2e-4) for row in rows)


def test_chunks_change_nothing_and_repeats_have_a_row_each(
    trained: Path, tmp_path: Path, small_chunks: None
) -> None:
    fresh = [Protein(f"f{i}", "MKVLAAGIV"[: 2 + i % 7] * (1 + i % 3)) for i in range(20)]
    again = [Protein(f"again-{p.id}", p.sequence) for p in fresh]
    fasta = write_fasta(tmp_path / "new.fasta", [*fresh, *again])
    rows = rows_of(trained, InputSpec([str(fasta)]), None, NOTHING)
    assert [row["id"] for row in rows] == [p.id for p in [*fresh, *again]]
    for first, second in zip(rows[:20], rows[20:], strict=True):
        assert {**first, "id": ""} == {**second, "id": ""}
    module.CHUNK_RESIDUES, module.CHUNK_PROTEINS = 65536, 4096
    assert rows_of(trained, InputSpec([str(fasta)]), None, NOTHING) == rows
    store = Store.create(tmp_path / "kept")
    assert rows_of(trained, InputSpec([str(fasta)]), store) == rows
    assert rows_of(trained, InputSpec([str(fasta)]), store) == rows  # now from what is stored
    assert len(store.embeddings()) == len({p.digest for p in fresh})
    assert store.embeddings().provenance == provenances_of(registry.load("blosum62"), "float16")[0]
    (encoder,) = summarise(store).encoders
    assert {str(run["device"]).split(",")[0] for run in encoder.runs} == {"cpu"}


def test_nothing_kept_leaves_the_store_as_it_was(trained: Path, tmp_path: Path) -> None:
    store = Store.open(trained / "store")
    before = store.count_proteins(), len(store.embeddings())
    fasta = write_fasta(tmp_path / "new.fasta", [Protein("new", "MKWWWWKLE")])
    with prediction(trained / "run", InputSpec([str(fasta)]), store, NOTHING) as predicted:
        predict_rows(predicted)
    assert (predicted.report.embedded, predicted.report.kept) == (1, False)
    assert (store.count_proteins(), len(Store.open(store.path).embeddings())) == before
    assert not (tmp_path / "none").exists()


def test_standard_input_a_task_and_proteins_at_hand(trained: Path) -> None:
    store = Store.open(trained / "store")
    piped = io.BytesIO(b">piped extra words\nMKV\nLAA\n")
    given = InputSpec(["-", "toy"], [Protein("hand", "MKVLAA")], piped)
    rows = rows_of(trained, given, store, NOTHING)
    assert [row["id"] for row in rows[:2]] == ["hand", "piped"]
    assert [row["id"] for row in rows[2:]] == [f"row-p{i}" for i in range(20)]
    assert {**rows[0], "id": ""} == {**rows[1], "id": ""}
    with pytest.raises(InputError, match="read once"):
        rows_of(trained, InputSpec(["-", "-"], stdin=piped), store, NOTHING)
    with pytest.raises(RecordError, match=r"standard input, line 2 \(bad\).*'\?'"):
        rows_of(trained, InputSpec(["-"], stdin=io.BytesIO(b">bad\nM?\n")), store, NOTHING)
    with pytest.raises(InputError, match=r"standard input' is a broken gzip file"):
        rows_of(trained, InputSpec(["-"], stdin=io.BytesIO(b"\x1f\x8b\xff")), store, NOTHING)
    packed = io.BytesIO(gzip.compress(b">packed\nMKV\nLAA\n"))
    assert [
        row["id"] for row in rows_of(trained, InputSpec(["-"], stdin=packed), store, NOTHING)
    ] == ["packed"]


def test_a_wrong_record_at_the_end_is_said_before_anything_is_done(
    trained: Path, tmp_path: Path, small_chunks: None
) -> None:
    fasta = write_fasta(tmp_path / "new.fasta", [Protein(f"p{i}", "MKV") for i in range(10)])
    with fasta.open("a") as file:
        file.write(">bad\nMK?\n")
    store = Store.create(tmp_path / "store")
    with pytest.raises(RecordError, match="line 22"):
        rows_of(trained, InputSpec([str(fasta)]), store)
    assert store.count_proteins() == 0
    with pytest.raises(MissingFileError, match="no run"):
        rows_of(tmp_path, InputSpec([str(fasta)]), store)


def test_failures_are_listed_and_the_others_predicted(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Failing(registry.load("blosum62"), {"bad"})
    monkeypatch.setattr(registry, "load_same", lambda *_, **__: failing)
    proteins = [Protein("a", "MKVA"), Protein("bad", "MKVC"), Protein("bad", "MKVC")]
    given = InputSpec(proteins=[*proteins, Protein("z", "MKVD")])
    with prediction(trained / "run", given, None, NOTHING) as predicted:
        rows = predict_rows(predicted)
    assert [row["id"] for row in rows] == ["a", "z"]
    assert predicted.report.failed == {"bad": "too odd", "bad (2)": "too odd"}
    with (
        prediction(trained / "run", InputSpec(proteins=proteins[1:]), None, NOTHING) as predicted,
        pytest.raises(InputError, match=r"nothing to predict for.*too odd"),
    ):
        write_predictions(predicted, tmp_path / "out.csv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("long", ["nterm", "windows"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_encoder_is_loaded_with_the_settings_of_the_run(
    tmp_path: Path, long: str, precision: str
) -> None:
    """Long proteins are cut, and numbers rounded, as those it learned from."""
    weights = tmp_path / "esm2_t6_8M_UR50D.pt"
    write_random_esm2(weights, layers=6, dim=320)
    settings = {"weights": weights, "device": "cpu", "precision": precision}
    encoder = registry.load("esm2_t6@2", long=long, **settings)
    place = {"weights": weights, "device": "cpu"}
    again = registry.load_same(encoder.fingerprint, **place)
    assert again.fingerprint == encoder.fingerprint
    assert again.fingerprint.long_policy.startswith(long)
    with pytest.raises(InputError, match="quantum"):
        registry.load_same(encoder.fingerprint, weights=weights, device="quantum")
    plain = registry.load_same(replace(encoder.fingerprint, precision="not known"), **place)
    assert plain.fingerprint.precision == "fp32"


class Signalling:
    """Progress that sends this process SIGINT after the second chunk, or another."""

    def __init__(self, last: int = 2) -> None:
        self.chunks, self.last = 0, last

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str):
        yield self

    def advance(self, amount: int = 1) -> None:
        self.chunks += 1
        if self.chunks == self.last:
            os.kill(os.getpid(), signal.SIGINT)

    def show(self, **figures: str) -> None: ...

    def note(self, text: str) -> None: ...


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_stop_says_where_the_rows_are_and_keeps_embeddings(
    trained: Path, tmp_path: Path, small_chunks: None, suffix: str
) -> None:
    out, store = tmp_path / f"out{suffix}", Store.create(tmp_path / "store")
    given = InputSpec([str(trained / "known.fasta")])
    with (
        prediction(trained / "run", given, store, progress=Signalling()) as predicted,
        pytest.raises(StoppedError, match=f"stopped after .* are in '{out}.partial'"),
    ):
        write_predictions(predicted, out)
    assert not out.exists()
    assert 0 < len(store.embeddings()) == predicted.report.proteins < 40
    partial = Path(f"{out}.partial")
    if suffix == ".csv":
        assert len(partial.read_text().splitlines()) == 1 + predicted.report.proteins
    else:
        pq = pytest.importorskip("pyarrow.parquet")
        assert pq.read_table(partial).num_rows == predicted.report.proteins


def test_a_stop_after_the_last_chunk_stops_nothing(
    trained: Path, tmp_path: Path, small_chunks: None
) -> None:
    given = InputSpec([str(trained / "known.fasta")])
    counting = Signalling(last=0)
    with prediction(trained / "run", given, None, NOTHING, progress=counting) as predicted:
        rows = predict_rows(predicted)
    last, out = Signalling(counting.chunks), tmp_path / "out.csv"
    assert last.last > 2
    with prediction(trained / "run", given, None, NOTHING, progress=last) as predicted:
        assert write_predictions(predicted, out).proteins == len(rows) == 40
    assert len(out.read_text().splitlines()) == 41


def test_every_format_says_the_same(trained: Path, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    given, store = InputSpec([str(trained / "known.fasta")]), Store.open(trained / "store")
    rows = rows_of(trained, given, store)
    for suffix in ("csv", "tsv", "jsonl", "parquet"):
        with prediction(trained / "run", given, store) as predicted:
            assert write_predictions(predicted, tmp_path / f"o.{suffix}").proteins == 40
    assert [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()] == rows
    for suffix, delimiter in (("csv", ","), ("tsv", "\t")):
        with (tmp_path / f"o.{suffix}").open() as file:
            found = list(csv.DictReader(file, delimiter=delimiter))
        assert found == [{k: str(v) for k, v in row.items()} for row in rows]
    table = pq.read_table(tmp_path / "o.parquet")
    about = json.loads(table.schema.metadata[b"sesstore"])
    assert (about["task"], about["encoder"]) == ("toy", "BLOSUM62")
    for found, row in zip(table.to_pylist(), rows, strict=True):
        assert found == pytest.approx(row)
    assert not list(tmp_path.glob("*.partial"))


def test_structures_without_a_store(trained: Path, shared_structures: Path, tmp_path: Path) -> None:
    given = InputSpec([str(shared_structures / "1aki.pdb")])
    (row,) = rows_of(trained, given, None, NOTHING)
    assert (row["length"], row["structure"], row["unmasked"]) == (129, True, 1.0)
    store = Store.create(tmp_path / "store")
    assert rows_of(trained, given, store) == [row]
    assert store.sources() == ["pdb"]


def test_the_benchmark_runs_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3]))
    benchmark = importlib.import_module("benchmarks.predict")
    benchmark.train(tmp_path, "onehot")
    table = []
    for count in (20, 80):
        fasta = benchmark.write_fasta(tmp_path / f"{count}.fasta", count, 10)
        table.append(benchmark.predict(tmp_path / "run", fasta, tmp_path / f"{count}.csv"))
    assert [row["proteins"] for row in table] == [20, 80]
    ratios = benchmark.ratios(table)
    assert ratios["predict_peak_memory_4n_vs_n"] >= 1  # in one process the peak only grows
    assert ratios["predict_proteins_per_second"] == table[1]["proteins_per_second"]
