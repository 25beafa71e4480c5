"""Sequences and models by accession, from a server that answers as UniProt and AFDB do."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sesstore_cli.main import main

from sesstore.datasets.fasta import read_fasta
from sesstore.errors import InputError, MissingFileError
from sesstore.jobs import accessions
from sesstore.jobs.accessions import accessions_of, sequence_file, structure_paths
from sesstore.jobs.predicting.prediction_inputs import InputSpec, read_inputs
from sesstore.store import Store

ENTRIES = {
    "P69905": ">sp|P69905|HBA_HUMAN Hemoglobin OS=Homo sapiens\nMVLSPADKTN\nVKAAW\n",
    "P68871": ">sp|P68871|HBB_HUMAN Hemoglobin OS=Homo sapiens\nMVHLTPEEKS\n",
    "P00698": ">sp|P00698|LYSC_CHICK Lysozyme C, without its signal\n"
    "KVFGRCELAAAMKRHGLDNYRGYSLGNWVCAAKFESNFNTQATNRNTDGSTDYGILQINSRWWCNDGRTPGSRNLCNIPCSALLSSDITASVN\n"
    "CAKKIVSDGNGMNAWVAWCRGTDVQAWIRGCRL\n",
    "P05067-4": ">sp|P05067-4|A4_HUMAN Isoform 4 OS=Homo sapiens\nMLPGLALLLL\n",
}


@dataclass
class Server:
    """What it was asked for, and how it answers."""

    url: str = ""
    paths: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    model: bytes = b"data_model\n"
    elsewhere: bool = False
    record: bytes | None = None
    cut: int = 0
    sleeps: list[float] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, bytes]:
        self.paths.append(path)
        if self.statuses and (status := self.statuses.pop(0)) != 200:
            return status, b"busy"
        parts = urlsplit(path)
        if parts.path == "/uniprotkb/accessions":
            query = parse_qs(parts.query)
            wanted = query["accessions"][0].split(",")
            page = wanted[: int(query.get("size", ["1"])[0])]  # UniProt's own default is 25
            return 200, "".join(ENTRIES.get(name, "") for name in reversed(page)).encode()
        if parts.path.startswith("/api/prediction/"):
            name = parts.path.rsplit("/", 1)[1]
            if name not in ENTRIES:
                return 404, b"{}"
            if self.record is not None:
                return 200, self.record
            base = "http://127.0.0.1:9" if self.elsewhere else self.url
            entries = [f"AF-{name}-{part}" for part in ("2-F1", "F1")]
            models = [
                {"entryId": entry, "cifUrl": f"{base}/files/{entry}-model_v6.cif"}
                for entry in entries
            ]
            return 200, json.dumps(models).encode()
        return 200, self.model


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content = state.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content) + 9 * bool(state.cut)))
            state.cut = max(state.cut - 1, 0)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        state.url = f"http://127.0.0.1:{listening.server_address[1]}"
        monkeypatch.setenv("SESSTORE_UNIPROT_URL", state.url)
        monkeypatch.setenv("SESSTORE_AFDB_URL", state.url)
        monkeypatch.setenv("SESSTORE_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(accessions.time, "sleep", state.sleeps.append)
        yield state
        listening.shutdown()


def test_sequences_come_in_the_order_asked_for_and_are_kept(server: Server) -> None:
    proteins = list(read_fasta(sequence_file("uniprot:P68871,p69905,P68871")))
    assert [(p.id, p.sequence) for p in proteins] == [
        ("P68871", "MVHLTPEEKS"),
        ("P69905", "MVLSPADKTNVKAAW"),
    ]
    assert len(server.paths) == 1
    again = list(read_fasta(sequence_file("uniprot:P69905,P68871")))
    assert [p.id for p in again] == ["P69905", "P68871"]
    assert [p.id for p in read_fasta(sequence_file("uniprot:P69905"))] == ["P69905"]
    assert len(server.paths) == 1  # from the cache
    sequence_file("uniprot:P69905,P05067-4")
    assert "P69905" not in server.paths[1]


def test_many_are_asked_for_in_parts(server: Server, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(accessions, "AT_ONCE", 2)
    listing = tmp_path / "list.txt"
    listing.write_text("P69905\nP68871\n\nP05067-4\n")
    assert len(list(read_fasta(sequence_file(f"uniprot:{listing}")))) == 3
    assert len(server.paths) == 2


def test_what_uniprot_lacks_is_named(server: Server) -> None:
    with pytest.raises(InputError, match=r"no sequence of Q9Y6K9: deleted, merged"):
        sequence_file("uniprot:P69905,Q9Y6K9")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("uniprot:P69905,hba", "'HBA' in 'uniprot:P69905,hba' is no UniProt accession"),
        ("uniprot:", "names no accession"),
        ("afdb:gone.txt", "there is no file 'gone.txt' of accessions"),
        ("uniprot:lists/gone", "there is no file 'lists/gone' of accessions"),
    ],
)
def test_what_is_no_list_is_said(name: str, message: str) -> None:
    with pytest.raises((InputError, MissingFileError), match=message):
        accessions_of(name)


@pytest.mark.parametrize("name", ["P12345", "A2BC19", "A0A024R161", "P05067-4"])
def test_accessions_of_every_form(name: str) -> None:
    assert accessions_of(f"uniprot:{name.lower()}") == [name]


def test_a_busy_server_is_asked_again_and_a_broken_one_is_an_error(server: Server) -> None:
    server.statuses = [503, 429]
    assert sequence_file("uniprot:P69905").is_file()
    assert len(server.paths) == 3
    assert server.sleeps == [1, 2]  # longer each time
    server.statuses = [503] * 9
    with pytest.raises(MissingFileError, match=r"P68871: not in the cache, and 127\.0\.0\.1"):
        sequence_file("uniprot:P68871")
    assert len(server.paths) == 6
    server.statuses = [403]
    with pytest.raises(MissingFileError, match="403"):
        sequence_file("uniprot:P68871")
    assert len(server.paths) == 7


def test_an_answer_that_is_cut_off_is_asked_for_again(server: Server) -> None:
    server.cut = 2
    (protein,) = read_fasta(sequence_file("uniprot:P69905"))
    assert protein.sequence == "MVLSPADKTNVKAAW"
    assert (len(server.paths), server.cut) == (3, 0)


@pytest.mark.parametrize(("count", "said"), [(5, "Q10005: deleted"), (6, "Q10005 and 1 more: del")])
def test_of_many_that_uniprot_lacks_five_are_named(server: Server, count: int, said: str) -> None:
    names = ",".join(f"Q1000{n}" for n in range(1, count + 1))
    with pytest.raises(InputError, match=f"no sequence of Q10001, .*{said}"):
        sequence_file(f"uniprot:{names}")
    server.statuses = [400]  # UniProt's answer where none of them was ever there
    with pytest.raises(InputError, match=f"no sequence of Q10001, .*{said}"):
        sequence_file(f"uniprot:{names}")


@pytest.mark.parametrize(
    ("record", "error", "message"),
    [
        (b"<html>", MissingFileError, "does not answer as AlphaFold DB does"),
        (b"7", MissingFileError, "does not answer as AlphaFold DB does"),
        (b'[{"x": 1}]', MissingFileError, "does not answer as AlphaFold DB does"),
        (b"[]", InputError, "has no model of P69905"),
        (b'[{"entryId": "AF-P69905-2-F1", "cifUrl": "x"}]', InputError, "has no model of P69905"),
    ],
)
def test_what_is_no_record_of_a_model(
    server: Server, record: bytes, error: type[Exception], message: str
) -> None:
    server.record = record
    with pytest.raises(error, match=message):
        structure_paths([Path("afdb:P69905")])


def test_without_a_network_what_is_kept_is_used(server: Server, monkeypatch) -> None:
    sequence_file("uniprot:P69905")
    monkeypatch.setenv("SESSTORE_UNIPROT_URL", "http://127.0.0.1:9")
    assert sequence_file("uniprot:P69905").is_file()
    with pytest.raises(MissingFileError, match="Run the command where there is a network"):
        sequence_file("uniprot:P69905,P68871")


def test_models_are_the_canonical_ones_and_absent_ones_are_counted(server: Server) -> None:
    told: list[str] = []
    plain = Path("own.pdb")
    files = structure_paths([plain, Path("afdb:P69905,Q9Y6K9,P68871")], told.append)
    names = ["own.pdb", "AF-P69905-F1-model_v6.cif", "AF-P68871-F1-model_v6.cif"]
    assert [file.name for file in files] == names
    assert files[1].read_bytes() == server.model
    assert told == ["AlphaFold DB has no model of 1 of 3 accessions: Q9Y6K9"]
    asked = len(server.paths)
    assert structure_paths([Path("afdb:P69905")]) == [files[1]]
    newer = files[1].with_name("AF-P69905-F1-model_v10.cif")
    newer.write_bytes(server.model)
    assert structure_paths([Path("afdb:P69905")]) == [newer]
    assert len(server.paths) == asked
    with pytest.raises(InputError, match="has no model of Q9Y6K9"):
        structure_paths([Path("afdb:Q9Y6K9")])


def test_a_server_that_sends_elsewhere_is_not_followed(server: Server) -> None:
    server.elsewhere = True
    with pytest.raises(MissingFileError, match="not followed"):
        structure_paths([Path("afdb:P69905")])


def test_a_model_becomes_tokens_of_its_protein(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_structures: Path
) -> None:
    """As a user types it."""
    server.model = (shared_structures / "1aki.cif").read_bytes()
    monkeypatch.chdir(tmp_path)
    for words in (
        "add uniprot:P00698,P68871",
        "tokens afdb:P00698 --source pdb",
        "embed uniprot:P00698 --plm onehot",
    ):
        with pytest.raises(SystemExit) as ended:
            main([*words.split(), "--quiet"])
        assert not ended.value.code, words
    store = Store.open("store")
    assert store.find_id("P68871")
    assert len(store.tokens("pdb")) == 1
    assert len(store.embeddings("onehot")) == 1


def test_predictions_are_for_accessions_too(
    server: Server, tmp_path: Path, shared_structures: Path
) -> None:
    server.model = (shared_structures / "1aki.cif").read_bytes()
    store = Store.create(tmp_path / "store")
    spec = InputSpec(("uniprot:P69905,P68871", "afdb:P00698"), source="pdb")
    with read_inputs(spec, store, keep=False) as inputs:
        ids = [protein.id for part in inputs.parts() for protein in part.proteins]
        assert inputs.failed == {}
    assert ids[:2] == ["P69905", "P68871"]
    assert len(ids) == 3
