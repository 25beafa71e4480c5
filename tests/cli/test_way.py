"""The whole way by commands: add, embed, train, evaluate, predict, and what is listed after."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np

from .conftest import rows, write_jsonl


def test_the_whole_way(cli, data: Path, trained: Path) -> None:
    record = json.loads((trained / "run.json").read_text())
    assert record["task"]["name"] == "deeploc_binary"
    assert record["metrics"]["test"]["accuracy"] > 0.7

    measured = cli("evaluate", trained, "--json").json
    assert measured["metrics"].items() >= record["metrics"]["test"].items()
    assert measured["rows"] == 8
    assert set(measured["intervals"]) == set(measured["metrics"])
    assert [c["name"] for c in measured["per_class"]] == ["membrane", "soluble"]
    assert np.sum(measured["confusion"]) == 8
    said = cli("evaluate", trained).out
    assert "95 % interval" in said
    assert "Confusion matrix" in said

    predicted = cli("predict", trained, data / "test.jsonl", "--out", "new.csv")
    assert predicted.status == 0
    with Path("new.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["id"] for row in table] == [f"p2_{i}" for i in range(8)]
    assert {row["label"] for row in table} <= {"membrane", "soluble"}
    assert all(abs(float(r["p_membrane"]) + float(r["p_soluble"]) - 1) < 1e-3 for r in table)


def test_predict_embeds_what_is_new_and_says_what_has_no_structure(cli, trained: Path) -> None:
    Path("new.fasta").write_text(">fresh\nACDEFGHIKLMNPQ\n")
    said = cli("predict", trained, "new.fasta")
    assert said.status == 0
    columns = "id,length,structure,unmasked,encoder,label,p_membrane,p_soluble,distance,far"
    assert said.out.splitlines()[0] == columns
    assert said.out.splitlines()[1].startswith("fresh,14,False,")
    assert "1 protein, 0 with structure" in said.err
    assert "embedding with blosum62" in said.err
    again = cli("predict", trained, "new.fasta")
    assert again.out == said.out
    assert "embedding with" not in again.err


def test_a_second_embed_runs_no_encoder_and_says_so(cli, data: Path) -> None:
    cli("add", "deeploc_binary", "--data", data, "--source", "alphafold2")
    first = cli("embed", "--plm", "blosum62", "--json").json
    assert (first["encoded"], first["already_stored"]) == (40, 0)
    second = cli("embed", "--plm", "blosum62")
    assert "nothing to do" in second.err
    assert "embedding with" not in second.err
    assert cli("embed", "--plm", "blosum62", "--json").json["encoded"] == 0


def test_a_second_task_embeds_only_what_is_new(cli, data: Path) -> None:
    cli("add", "deeploc_binary", "--data", data, "--source", "alphafold2")
    cli("embed", "--plm", "blosum62")
    shared = [json.loads(line) for line in (data / "train.jsonl").read_text().splitlines()[:6]]
    fresh = [{**row, "label": 0.5} for row in [*shared, *rows(3, 77)]]
    other = Path("other")
    other.mkdir()
    for split in ("train", "valid", "test"):
        write_jsonl(other / f"{split}.jsonl", fresh)
    cli("add", "thermostability", "--data", other, "--source", "alphafold2")
    done = cli("embed", "thermostability", "--plm", "blosum62", "--json").json
    assert (done["proteins"], done["encoded"], done["already_stored"]) == (9, 3, 6)


def test_listings(cli, trained: Path) -> None:
    said = cli("ls")
    assert "40 sequences" in said.out
    assert "BLOSUM62" in said.out
    assert "alphafold2" in said.out
    assert "deeploc_binary" in said.out
    found = cli("info", "--json").json
    assert found["proteins"] == 40
    assert found["encoders"][0]["proteins"] == 40
    assert "esm2_t33" in cli("plms").out
    assert {"name", "dim", "licence", "here"} <= cli("plms", "--json").json["plms"][0].keys()


def test_seeds_give_a_mean_and_an_interval(cli, trained: Path) -> None:
    report = cli(
        "train", "deeploc_binary", "--structure", "none", "--epochs", "2", "--heads", "2",
        "--seeds", "3", "--out", "three", "--json",
    ).json  # fmt: skip
    assert len(report["runs"]) == 3
    low, high = report["interval"]
    assert low <= report["metrics"]["test"]["accuracy"] <= high


def test_a_sweep_is_one_stream_one_table_one_record(cli, trained: Path) -> None:
    words = "sweep deeploc_binary --heads 2,4 --structure none,both --epochs 2 --seeds 2 --out s"
    said = cli(*words.split(), "--json")
    assert said.status == 0, said.err
    report = said.json
    assert report == json.loads(Path("s/sweep.json").read_text())
    assert (report["adapters"], len(report["settings"])) == (8, 4)
    valid = [entry["metrics"]["valid"]["accuracy"] for entry in report["settings"]]
    assert valid == sorted(valid, reverse=True)
    assert all(Path(run, "run.json").is_file() for e in report["settings"] for run in e["runs"])
    assert "holds a sweep already" in cli(*words.split()).err


def test_structures_to_predictions(cli, trained: Path, shared_structures: Path) -> None:
    said = cli("predict", trained, shared_structures / "1aki.pdb", "--source", "alphafold2")
    assert said.status == 0, said.err
    assert "1aki,129,True," in said.out
    done = cli("tokens", shared_structures / "1l2y.cif", "--source", "pdb", "--json").json
    assert (done["chains"], done["residues"]) == (1, 20)


def test_simple_models_beside_the_result(cli, data: Path, trained: Path, monkeypatch) -> None:
    monkeypatch.setenv("SESSTORE_BASELINES", "1")
    train = ("train", "deeploc_binary", "--structure", "none", "--epochs", "1")
    said = cli(*train, "--out", "beside", "--json")
    baselines = said.json["baselines"]
    assert set(baselines["metrics"]) == {"trivial", "sequence", "neighbours", "linear"}
    assert json.loads(Path("beside/baselines.json").read_text())["best"] == baselines["best"]
    words = cli(*train, "--out", "words")
    assert "on mean embeddings" in words.out
    assert "best simple model" in words.out
    assert cli(*train, "--no-baselines", "--out", "without", "--json").json["baselines"] is None
    measured = cli("evaluate", "beside", "--json").json
    for key in ("metrics", "best", "difference"):
        assert measured["baselines"][key] == baselines[key]
    again = cli("evaluate", "beside", "--split", "valid")
    assert "valid accuracy" in again.out
    assert "best simple model" in again.out
    shutil.rmtree("store/tasks")
    cli("add", "deeploc_binary", "--data", data / "test.jsonl", "--source", "alphafold2")
    other = cli("evaluate", "beside")
    assert other.status == 0, other.err
    assert "no simple models beside it: simple models need the rows" in other.err


def test_cross_validation(cli, trained: Path) -> None:
    words = ("train", "deeploc_binary", "--structure", "none", "--epochs", "1", "--folds", "3")
    wrong = cli(*words, "--track", "tensorboard")
    assert wrong.status == 2
    assert "--folds are several" in wrong.err
    said = cli(*words, "--out", "crossed", "--json")
    assert said.status == 0, said.err
    assert said.json["split"] == "out-of-fold"
    assert "3 folds of 40 rows" in said.err
    assert len(said.json["folds"]["accuracy"]) == 3
    measured = cli("evaluate", "crossed", "--json").json
    assert (measured["split"], measured["rows"]) == ("out-of-fold", 40)
    assert measured["metrics"].items() >= said.json["metrics"]["out-of-fold"].items()
    assert "bootstrap over folds and proteins" in cli("evaluate", "crossed").out
    assert "was not cross-validated" in cli("evaluate", trained, "--split", "out-of-fold").err
    predicted = cli("predict", "crossed", "ACDEFGHIKL")
    assert predicted.status == 0, predicted.err
    again = cli(*words, "--out", "crossed", "--resume")
    assert "holds a run already" in again.err
