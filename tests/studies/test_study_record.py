from __future__ import annotations

import json
from pathlib import Path

import pytest

from sesstore.errors import InputError
from sesstore.provenance import differences
from sesstore.studies.study_record import RECORD, SETTINGS, TABLE, StudyReport, begin, check

ASKED = {"study": "ablation", "seeds": 5, "fit": {"lr": 0.1, "device": None}}


def test_begins_once_and_goes_on_with_the_same_settings_only(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    check(folder, ASKED, resume=False)
    assert not folder.exists()
    begin(folder, ASKED)
    with pytest.raises(InputError, match="resume=True"):
        check(folder, ASKED, resume=False)
    check(folder, ASKED, resume=True)
    other = {**ASKED, "fit": {"lr": 0.2, "device": None}}
    with pytest.raises(InputError, match=r"fit\.lr \(0\.1 then, 0\.2 now\)"):
        check(folder, other, resume=True)
    begin(folder, other)  # never replaces what a study was begun with
    check(folder, ASKED, resume=True)
    (folder / SETTINGS).write_text("{")
    with pytest.raises(InputError, match="is broken"):
        check(folder, ASKED, resume=True)


def test_never_begins_among_other_files(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    for taken in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(InputError, match="other things"):
            check(taken, ASKED, resume=True)


def test_differences_name_what_is_absent_too() -> None:
    assert differences({"a": 1}, {"b": 2}) == ["a (1 then, null now)", "b (null then, 2 now)"]
    assert differences(ASKED, dict(ASKED)) == []


def test_what_is_not_a_number_is_nothing_in_json(tmp_path: Path) -> None:
    report = StudyReport("size", "toy", "?", str(tmp_path), "enc", "accuracy", "test")
    report.columns = {"arm": "arm", "width": "width"}
    report.rows = [{"arm": "a", "score": float("nan"), "curve": [1.0]}, {"arm": "b"}]
    report.write()
    assert json.loads((tmp_path / RECORD).read_text())["rows"][0]["score"] is None
    assert (tmp_path / TABLE).read_text().splitlines() == ["arm,score", "a,nan", "b,"]
    assert StudyReport.load(tmp_path).rows[1] == {"arm": "b"}


def test_broken_records_are_said(tmp_path: Path) -> None:
    for text in ("{", "[]", "{}", '{"format": 9}', '{"format": 1, "rows": []}'):
        (tmp_path / RECORD).write_text(text)
        with pytest.raises(InputError):
            StudyReport.load(tmp_path)
    with pytest.raises(InputError, match="no record of a finished study"):
        StudyReport.load(tmp_path / "nowhere")


def test_a_table_for_people_leaves_empty_columns_out() -> None:
    report = StudyReport("size", "toy", "?", "folder", "enc", "accuracy", "test")
    report.columns = {"arm": "arm", "width": "width", "heads": "heads"}
    score = {"score": 0.5, "low": 0.25, "high": 0.75}
    report.rows = [
        {"arm": "a", "heads": 2, "width": None, "std": None, **score},
        {"arm": "b", "heads": None, "std": 0.125, **score},
    ]
    assert report.table() == (
        ["arm", "heads", "test accuracy", "95 % interval"],
        [
            ["a", 2, "0.5000", "0.2500 to 0.7500"],
            ["b", None, "0.5000 ± 0.1250", "0.2500 to 0.7500"],
        ],
    )
