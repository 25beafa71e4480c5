"""A store in a notebook or script: adding, embedding, tokenising."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import sesstore
from sesstore.jobs.demo import demo_files


def test_only_what_is_named_is_embedded(tmp_path: Path) -> None:
    store = sesstore.open(tmp_path / "store")
    assert store.add(["MKV", "MKL"]).sequences == 2
    fasta = tmp_path / "new.fasta"
    fasta.write_text(">a\nMKVLAAG\n")
    assert store.embed("onehot", ["MKV"]).encoded == 1
    assert store.embed("onehot", fasta).encoded == 1
    assert store.embed("onehot").encoded == 1


def test_the_nearest_proteins_come_with_their_identity(tmp_path: Path) -> None:
    store = sesstore.open(tmp_path / "store")
    store.add({"a": "MKVLAAGIVGLCARTQ", "b": "MKVLAAGIVGLCARTE", "c": "WWWWHHHHHPPPPP"})
    store.embed("blosum62")
    report = store.search("MKVLAAGIVGLCARTQ", count=2)
    (query,) = report.queries
    assert [hit.id for hit in query.hits] == ["a", "b"]
    assert query.hits[1].identity == 15 / 16
    nearest = [query.hits[0].id for query in store.search(["a", "c"]).queries]
    assert nearest == ["a", "c"]


def test_a_script_without_a_guard_starts_processes(tmp_path: Path) -> None:
    files = [str(path) for path, _ in list(demo_files().values())[:3]]
    script = tmp_path / "script.py"
    script.write_text(
        "import sesstore\n"
        "print('begun')\n"
        f"store = sesstore.open({str(tmp_path / 'store')!r})\n"
        f"print(store.tokenize({files!r}, 'pdb').chains)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.split() == ["begun", "3"], done.stderr
