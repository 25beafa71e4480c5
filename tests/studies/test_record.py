from __future__ import annotations

import json
from pathlib import Path

import pytest

from sesstore.errors import InputError
from sesstore.studies.record import RECORD, SETTINGS, TABLE, StudyReport, begin, differences

ASKED = {"study": "ablation", "seeds": 5, "fit": {"lr": 0.1, "device": None}}


def test_begins_once_and_goes_on_with_the_same_settings_only(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    begin(folder, ASKED, resume=False)
    with pytest.raises(InputError, match="--resume"):
        begin(folder, ASKED, resume=False)
    begin(folder, ASKED, resume=True)
    other = {**ASKED, "fit": {"lr": 0.2, "device": None}}
    with pytest.raises(InputError, match=r"fit\.lr \(0\.1 then, 0\.2 now\)"):
        begin(folder, other, resume=True)
    (folder / SETTINGS).write_text("{")
    with pytest.raises(InputError, match="is broken"):
        begin(folder, ASKED, resume=True)


def test_never_begins_among_other_files(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match="other things"):
        begin(tmp_path, ASKED, resume=True)


def test_differences_name_what_is_absent_too() -> None:
    assert differences({"a": 1}, {"b": 2}) == ["a (1 then, null now)", "b (null then, 2 now)"]
    assert differences(ASKED, dict(ASKED)) == []


def test_what_is_not_a_number_is_nothing_in_json(tmp_path: Path) -> None:
    report = StudyReport("size", "toy", "?", str(tmp_path), "enc", "accuracy", "test")
    report.columns = {"arm": "arm", "score": "test accuracy"}
    report.rows = [{"arm": "a", "score": float("nan"), "curve": [1.0]}, {"arm": "b"}]
    report.write()
    assert json.loads((tmp_path / RECORD).read_text())["rows"][0]["score"] is None
    assert (tmp_path / TABLE).read_text().splitlines() == ["arm,score", "a,nan", "b,"]
    assert StudyReport.load(tmp_path).rows[1] == {"arm": "b"}
    assert report.table()[1][1] == ["b", None]


def test_broken_records_are_said(tmp_path: Path) -> None:
    for text in ("{", "[]", "{}", '{"format": 9}', '{"format": 1, "rows": []}'):
        (tmp_path / RECORD).write_text(text)
        with pytest.raises(InputError):
            StudyReport.load(tmp_path)
    with pytest.raises(InputError, match="no record of a finished study"):
        StudyReport.load(tmp_path / "nowhere")
