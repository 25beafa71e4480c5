"""Options that say what a user's own table holds."""

from __future__ import annotations

from pathlib import Path

from .conftest import proteins


def mine(path: Path, count: int = 40) -> Path:
    rows = [f"p{i},{s},{40 + s.count('K')}.5" for i, s in enumerate(proteins(count))]
    path.write_text("\n".join(["Entry,Sequence,Tm", *rows]) + "\n")
    return path


def test_a_table_of_ones_own_in_one_command(cli) -> None:
    mine(Path("mydata.csv"))
    said = cli("add", "mydata.csv", "--task-type", "regression", "--label", "Tm")
    assert said.status == 0, said.err
    assert "columns of mydata.csv: sequence = Sequence, id = Entry, label = Tm" in said.err
    assert "task type regression (as given)" in said.err
    assert "no split was given: made from 40 train rows by whole clusters" in said.err
    assert "task mydata: 40 rows, 40 sequences new to the store" in said.out
    report = cli("add", "mydata.csv", "--json").json
    assert report["splits"] == {"train": 32, "valid": 4, "test": 4}
    assert report["notes"][-1] == "it was here already, the same"
    assert "task type regression (guessed: labels are numbers with fractions" in report["notes"][1]
    cli("embed", "--plm", "onehot", "--quiet")
    done = cli("train", "mydata", "--structure", "none", "--heads", "2", "--epochs", "1", "--json")
    assert done.status == 0, done.err
    assert {"spearman", "rmse"} <= done.json["metrics"]["test"].keys()


def test_wrong_words_about_own_data(cli) -> None:
    mine(Path("mydata.csv"))
    for words, told in (
        ("add mydata.csv --label Tn", "Did you mean 'Tm'?"),
        ("add mydata.csv --data mydata.csv", "--data goes with a published task"),
        ("add ec --label Tm --data mydata.csv", "'ec' is a published task"),
        ("add mydata.csv --name ../x", "cannot name a task"),
        ("add none.csv", "there is no file 'none.csv'"),
        ("doctor none", "there is no store"),
    ):
        said = cli(*words.split())
        assert (said.status, told in said.err) == (2, True), said.err
    assert not Path("store").exists()
