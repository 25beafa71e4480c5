"""The store against a dict: random operations, deaths and damage, invariants after each."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sesstore.proteins import Protein
from sesstore.provenance import Fingerprint, Provenance
from sesstore.residues import Embedding, StructureTokens
from sesstore.store import Store
from sesstore.store.compaction import compact, gc
from sesstore.store.integrity import verify
from sesstore.store.repair import repair

POOL = [Protein(f"p{i}", "MKV" * (i % 3 + 1) + "ACDEFGHIKLMNPQRSTVWY"[: i + 1]) for i in range(20)]
SOME = st.lists(st.integers(0, len(POOL) - 1), min_size=1, max_size=8)
DIM = 3


def provenance(layer: int) -> Provenance:
    return Provenance(Fingerprint("enc", "0" * 64, layer, "", "", "fp32"), DIM)


class StoreMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # fsync waits for a disk
        self.folder = Path(tempfile.mkdtemp(prefix="sesstore-machine-", dir=memory))
        self.store = Store.create(self.folder / "s")
        self.proteins: set[bytes] = set()
        self.embeddings: dict[int, dict[bytes, np.ndarray]] = {1: {}, 2: {}}
        self.tokens: dict[bytes, np.ndarray] = {}
        self.written = 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def value(self, protein: Protein) -> np.ndarray:
        """New numbers each time: so that it shows whose copy is read."""
        self.written += 1
        return np.full((len(protein), DIM), self.written, np.float16)

    @rule(chosen=SOME)
    def add_proteins(self, chosen: list[int]) -> None:
        some = [POOL[i] for i in chosen]
        new = {p.digest for p in some} - self.proteins
        assert self.store.add_proteins(some) == len(new)
        self.proteins |= new

    @rule(chosen=SOME, layer=st.sampled_from([1, 2]), size=st.sampled_from([1, 100, 1 << 20]))
    def embed(self, chosen: list[int], layer: int, size: int) -> None:
        with self.store.writer(provenance(layer), {}, segment_bytes=size) as writer:
            for protein in dict.fromkeys(POOL[i] for i in chosen):
                values = self.value(protein)
                writer.add(Embedding(protein.digest, values))
                self.embeddings[layer].setdefault(protein.digest, values)

    @rule(chosen=SOME, layer=st.sampled_from([1, 2]))
    def die_while_embedding(self, chosen: list[int], layer: int) -> None:
        writer = self.store.writer(provenance(layer), {})
        for protein in dict.fromkeys(POOL[i] for i in chosen):
            writer.add(Embedding(protein.digest, self.value(protein)))
        # never committed, never aborted: as if the process had been killed

    @rule(chosen=SOME, replace=st.booleans())
    def tokenise(self, chosen: list[int], replace: bool) -> None:
        for protein in dict.fromkeys(POOL[i] for i in chosen):
            self.written += 1
            codes = np.full((1, len(protein)), self.written % 20, np.uint8)
            item = StructureTokens(protein.digest, "pdb", {"foldseek": codes}, None, "t")
            self.store.add_tokens([item], {}, replace=replace)
            if replace or protein.digest not in self.tokens:
                self.tokens[protein.digest] = codes

    @rule(target_bytes=st.sampled_from([1, 200, 1 << 20]))
    def compact(self, target_bytes: int) -> None:
        compact(self.store, target_bytes=target_bytes)

    @rule()
    def collect(self) -> None:
        gc(self.store, older_than=0)

    @rule()
    def reopen(self) -> None:
        self.store = Store.open(self.store.path)

    @precondition(lambda self: any(self.embeddings.values()))
    @rule(data=st.data(), layer=st.sampled_from([1, 2]))
    def damage_and_repair(self, data: st.DataObject, layer: int) -> None:
        if not self.embeddings[layer]:
            return
        compact(self.store, provenance(layer).fingerprint)  # no duplicates: what is lost is lost
        view = self.store.embeddings(provenance(layer).fingerprint)
        segment = data.draw(st.sampled_from(view.segments))
        path = segment.path / "values/c.0.0"
        raw = bytearray(path.read_bytes())
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1
        path.write_bytes(bytes(raw))
        report = repair(self.store.path)
        lost = {bytes.fromhex(digest) for digest in report.embed_again[view.folder.name]}
        assert lost == {row.tobytes() for row in segment.digests}
        for digest in lost:
            del self.embeddings[layer][digest]

    @invariant()
    def the_store_is_sound_and_holds_what_the_dict_holds(self) -> None:
        assert verify(self.store.path).ok
        assert {p.digest for p in self.store.proteins()} == self.proteins
        for layer, expected in self.embeddings.items():
            known = [p.fingerprint.layer for p in self.store.encoders()]
            if layer not in known:
                assert not expected
                continue
            view = self.store.embeddings(provenance(layer).fingerprint)
            assert {row.tobytes() for row in view.digests} == expected.keys()
            for digest, values in expected.items():
                np.testing.assert_array_equal(view.get(digest), values)
        if self.tokens:
            reader = self.store.tokens("pdb")
            assert set(reader.digests()) == self.tokens.keys()
            for digest, codes in self.tokens.items():
                np.testing.assert_array_equal(reader.get(digest).codes["foldseek"], codes)


StoreMachine.TestCase.settings = settings(
    max_examples=settings.default.max_examples * 3 // 25, stateful_step_count=12, deadline=None
)
TestStore = StoreMachine.TestCase
