"""What a demonstration says: scores of both adapters, times, and what the store holds."""

from __future__ import annotations

from sesstore_cli import demo

from sesstore.jobs.demo import DemoReport
from sesstore.jobs.training.train import TrainReport


def test_what_a_demonstration_says(shown, monkeypatch, cli) -> None:
    def reached(score: float, std: float) -> TrainReport:
        report = TrainReport.__new__(TrainReport)
        for name, value in (("metrics", score), ("std", std)):
            by_name = {"accuracy": value, "mcc": value / 2, "auroc": value / 4, "f1": 9.0}
            object.__setattr__(report, name, {"test": by_name, "valid": {}})
        return report

    report = DemoReport(
        "demo/store",
        {"tokenise": 1.25, "train": 130.0},
        {"from_the_store": 0.5, "encoder_in_the_loop": 7.5, "encoder_pass": 7.0, "ratio": 15.04},
        {"sequence only": reached(0.8, 0.02), "with structure": reached(0.9, 0.01)},
        {
            "proteins": 1234,
            "encoders": [{"encoder": "near", "residues": 56_789, "bytes": 3_200_000}],
            "sources": [{"source": "pdb", "proteins": 1200}],
        },
    )
    assert shown(demo._say_results, report)[1:] == [
        "adapter accuracy MCC AUROC",
        "sequence only 0.800 ± 0.020 0.400 ± 0.010 0.200 ± 0.005",
        "with structure 0.900 ± 0.010 0.450 ± 0.005 0.225 ± 0.003",
    ]
    lines = shown(demo._say_times, report)
    assert lines[:3] == ["stage took", "tokenise 1.2 s", "train 2 min"]
    said = " ".join(lines[3:])
    assert (
        "took 0.5 s from the store. With the encoder in the loop it would take 7.5 s: 15.0 times"
        in said
    )
    assert (
        "holds 1,234 sequences, 56,789 residues by near (3.2 MB), and pdb tokens of 1,200 proteins."
        in said
    )
    assert "sesstore info --store demo/store" in said
