"""Maps for other tools, read by what reads them there."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest

from sesstore.errors import InputError, MissingExtraError
from sesstore.exchange.protein_maps import MARK, is_numeric, write_anndata, write_bundle

IDS = ["a", "b", "a", "a (2)"]
COLUMNS = {"length": [3.0, None, 5.0, 6.0], "class": ["x", "y", None, "x"]}
POINTS = np.arange(8, dtype=np.float32).reshape(4, 2)


def test_a_bundle_is_three_tables(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "map.parquetbundle"
    write_bundle(path, IDS, COLUMNS, POINTS, "pca", {"encoder": "near"})
    known, projections, points = (
        parquet.read_table(io.BytesIO(part)).to_pydict() for part in path.read_bytes().split(MARK)
    )
    assert known["identifier"] == points["identifier"] == ["a", "b", "a (2)", "a (2) (2)"]
    assert (known["length"], known["class"]) == (COLUMNS["length"], COLUMNS["class"])
    assert projections["projection_name"] == ["PCA_2"]
    assert projections["dimensions"] == [2]
    assert projections["info_json"] == ['{"encoder": "near"}']
    assert set(points["projection_name"]) == {"PCA_2"}
    assert (points["x"], points["y"]) == (POINTS[:, 0].tolist(), POINTS[:, 1].tolist())
    assert points["z"] == [None] * 4


def test_labels_of_a_bundle_hold_nothing_that_separates(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "map.parquetbundle"
    labels = ["membrane; Golgi", "100 %|x", None, "a;b\n"]
    write_bundle(path, IDS, {"label": labels}, POINTS, "pca", {})
    table = parquet.read_table(io.BytesIO(path.read_bytes().split(MARK)[0]))
    assert table.schema.metadata[b"protspace_format_version"] == b"2"
    assert table["label"].to_pylist() == ["membrane;Golgi", "100 %25%7Cx", None, "a%3Bb%0A"]


def test_the_mark_of_a_bundle_stands_in_no_text(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "map.parquetbundle"
    with pytest.raises(InputError, match=r"class hold .* Write \.csv"):
        write_bundle(path, ["a"], {"class": [MARK.decode()]}, POINTS[:1], "pca", {})
    assert not path.exists()


def test_anndata_has_means_columns_and_points(tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata")
    means = np.random.default_rng(0).random((4, 6), np.float32)
    write_anndata(tmp_path / "map.h5ad", IDS, COLUMNS, means, POINTS, "umap")
    data = anndata.read_h5ad(tmp_path / "map.h5ad")
    np.testing.assert_array_equal(data.X, means)
    np.testing.assert_array_equal(data.obsm["X_umap"], POINTS)
    assert data.obs_names.tolist() == ["a", "b", "a (2)", "a (2) (2)"]
    assert data.obs["class"].tolist()[:2] == ["x", "y"]
    assert data.obs["length"].isna().tolist() == [False, True, False, False]
    assert [path.name for path in tmp_path.iterdir()] == ["map.h5ad"]


def test_a_column_is_of_numbers_if_all_there_are_are() -> None:
    columns = ([1.0, None], [None, 2], ["1", None], [None, 1.0, "x"], [None, None], [])
    assert [is_numeric(column) for column in columns] == [True, True, False, False, False, False]


@pytest.mark.parametrize(
    ("package", "extra"), [("anndata", "map"), ("pandas", "map"), ("pyarrow", "parquet")]
)
def test_each_format_has_its_extra(
    package: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    path, one = tmp_path / "x", POINTS[:1]
    write = {
        "map": lambda: write_anndata(path, ["a"], {}, one, one, "pca"),
        "parquet": lambda: write_bundle(path, ["a"], {}, one, "pca", {}),
    }[extra]
    with pytest.raises(MissingExtraError, match=rf"sesstore\[{extra}\]"):
        write()
    assert not any(tmp_path.iterdir())


def test_the_mark_is_in_no_id_and_no_name_of_a_column(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    mark = f"x{MARK.decode()}y"
    for ids, columns, told in (([mark], {}, "ids hold"), (["a"], {mark: ["b"]}, "hold '---PARQ")):
        with pytest.raises(InputError, match=told):
            write_bundle(tmp_path / "x", ids, columns, POINTS[:1], "pca", {})
