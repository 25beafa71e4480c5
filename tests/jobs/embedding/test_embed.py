from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest

from sesstore.encoders.base import Encoder
from sesstore.errors import InputError, StoppedError
from sesstore.jobs.embedding.embed import embed
from sesstore.proteins import Protein
from sesstore.provenance import Provenance
from sesstore.residues import Embedding
from sesstore.store import Store
from sesstore.store.integrity import verify


class Failing:
    """An encoder that cannot do some proteins."""

    def __init__(self, encoder: Encoder, bad: set[str]) -> None:
        self._encoder, self._bad = encoder, bad
        self.failures: dict[bytes, str] = {}

    def __getattr__(self, name: str) -> object:
        return getattr(self._encoder, name)

    def encode(self, proteins: Sequence[Protein]) -> Iterator[Embedding]:
        self.failures = {p.digest: "too odd" for p in proteins if p.id in self._bad}
        yield from self._encoder.encode([p for p in proteins if p.id not in self._bad])


class Interrupting:
    """Progress that sends this process a signal after the first proteins."""

    def __init__(self, number: int) -> None:
        self.number = number

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Interrupting]:
        yield self

    def advance(self, amount: int = 1) -> None:
        os.kill(os.getpid(), self.number)

    def show(self, **figures: str) -> None: ...

    def note(self, text: str) -> None: ...


def test_what_is_stored_equals_what_the_encoder_says(store: Store, encoder, proteins) -> None:
    report = embed(store, encoder, proteins, dtype="float32")
    assert (report.encoded, report.failed) == (40, {})
    view = store.embeddings()
    for made in encoder.encode(proteins):
        np.testing.assert_array_equal(view.get(made.digest), made.values)
    assert {p.sequence for p in store.proteins()} == {p.sequence for p in proteins}


def test_licence_and_citation_of_the_encoder_are_stored(store: Store, encoder, proteins) -> None:
    encoder.licence, encoder.citation = "a licence", "a citation"
    embed(store, encoder, proteins[:2], dtype="float32")
    made = Provenance(encoder.fingerprint, encoder.dim, "float32", "a licence", "a citation")
    assert store.embeddings().provenance == made


def test_full_precision_is_compared_with_nothing(store: Store, encoder, proteins) -> None:
    def reference() -> Encoder:
        raise AssertionError("there is nothing to compare with")

    report = embed(store, encoder, proteins[:2], make_reference=reference)
    assert (report.encoded, report.precision_cost) == (2, None)


def test_one_sequence_under_two_names_is_encoded_once(store: Store, encoder) -> None:
    report = embed(store, encoder, [Protein("a", "MKV"), Protein("b", "MKV")])
    assert (report.proteins, report.encoded, len(store.embeddings())) == (1, 1, 1)


def test_what_fails_in_one_chunk_does_not_hide_another(
    store: Store, encoder, proteins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sesstore.jobs.embedding.missing_proteins.MissingProteins.chunks.__defaults__", (60,)
    )
    report = embed(store, Failing(encoder, {"p3", "p35"}), proteins)
    assert report.failed == {"p3": "too odd", "p35": "too odd"}
    assert report.encoded == len(store.embeddings()) == 38


def test_failures_are_listed_and_the_others_stored(store: Store, encoder, proteins) -> None:
    report = embed(store, Failing(encoder, {"p3", "p5"}), proteins)
    assert report.failed == {"p3": "too odd", "p5": "too odd"}
    assert len(store.embeddings()) == 38
    again = embed(store, encoder, proteins)
    assert (again.encoded, again.already_stored) == (2, 38)


def test_two_proteins_of_one_name_are_two_failures(store: Store, encoder) -> None:
    proteins = [Protein("x", "MKV"), Protein("x", "MKL"), Protein("y", "MKI")]
    report = embed(store, Failing(encoder, {"x"}), proteins)
    assert report.failed == {"x": "too odd", "x (2)": "too odd"}
    assert (report.proteins, report.encoded) == (3, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_commits_what_is_done_and_a_second_run_goes_on(
    store: Store, encoder, proteins, number: int
) -> None:
    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(StoppedError, match="Run the same command again"):
        embed(store, encoder, proteins, progress=Interrupting(number))
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == handlers
    done = len(store.embeddings())
    assert 0 < done < 40
    assert verify(store.path).ok
    report = embed(store, encoder, proteins)
    assert (report.encoded, report.already_stored) == (40 - done, done)


class InterruptingLast(Interrupting):
    """Progress that sends the signal after the last of some proteins."""

    left = 40

    def advance(self, amount: int = 1) -> None:
        self.left -= 1
        if not self.left:
            super().advance(amount)


def test_a_signal_after_the_last_protein_stops_nothing(store: Store, encoder, proteins) -> None:
    report = embed(store, encoder, proteins, progress=InterruptingLast(signal.SIGTERM))
    assert (report.encoded, report.already_stored, report.failed) == (40, 0, {})
    assert len(store.embeddings()) == 40


def test_an_unknown_storage_type(store: Store, encoder, proteins) -> None:
    with pytest.raises(InputError, match="float16, float32, int8"):
        embed(store, encoder, proteins, dtype="float64")
    assert not store.encoders()
