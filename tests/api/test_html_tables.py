"""Tables as notebooks show them."""

from __future__ import annotations

import sesstore

from .conftest import COUNT


def test_notebooks_show_tables(taught) -> None:
    store, run = taught
    assert f"<td>helix</td><td>{COUNT}</td>" in store._repr_html_()
    assert "accuracy" in run._repr_html_()
    rows = run.predict({f"<b>{i}": "MKVLA" for i in range(25)})
    shown = rows._repr_html_()
    assert shown.count("&lt;b&gt;") == 20
    assert "and 5 more" in shown
    assert sesstore.Rows()._repr_html_()
    assert repr(run).startswith("sesstore.load_run(")


def test_only_what_is_not_shown_is_counted() -> None:
    rows = sesstore.Rows({"id": f"p{n}", "far": False} for n in range(20))
    assert "more" not in rows._repr_html_()
    assert "<th>id</th><th>far</th>" in rows._repr_html_()
    rows.append({"id": "last", "far": True})
    assert "and 1 more" in rows._repr_html_()
    assert "last" not in rows._repr_html_()


def test_whole_numbers_have_thousands_separators() -> None:
    from sesstore.api.html_tables import html_table

    shown = html_table(["n"], [[12345, True, 0.5]])
    assert "<td>12,345</td><td>True</td><td>0.5</td>" in shown
