"""ESM-2 against fair-esm's own forward on the same random checkpoint."""

from __future__ import annotations

import argparse
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from sesstore.encoders import esm as ours
from sesstore.encoders import registry
from sesstore.encoders.catalogue import Options
from sesstore.encoders.windows import starts
from sesstore.errors import InputError, WeightsError
from sesstore.proteins import Protein

from ..conformance.encoder import EncoderConformance, encoded, random_proteins


class TestSmallEsm2(EncoderConformance):
    @pytest.fixture(autouse=True)
    def _checkpoint(self, t6):
        self.path = t6.path

    def load(self, long="windows"):
        return registry.load("esm2_t6", weights=self.path, device="cpu", long=long)


def by_fair_esm(path: Path, proteins: list[Protein]) -> dict[bytes, np.ndarray]:
    from esm import pretrained

    with torch.serialization.safe_globals([argparse.Namespace]):
        content = torch.load(path, weights_only=True)
    model, alphabet, state = pretrained._load_model_and_alphabet_core_v2(content)
    missing = model.load_state_dict(state, strict=False).missing_keys
    assert {name for name in missing if not name.startswith("contact_head")} == set()
    model.eval()
    _, _, tokens = alphabet.get_batch_converter()([(p.id, p.sequence) for p in proteins])
    last = model.num_layers
    with torch.no_grad():
        states = model(tokens, repr_layers=[last])["representations"][last].numpy()
    return {p.digest: states[i, 1 : len(p) + 1] for i, p in enumerate(proteins)}


@pytest.mark.usefixtures("attending")
@pytest.mark.parametrize("lengths", [[1], [60, 3, 200, 61, 17], [400, 400, 2]])
def test_equals_fair_esm_for_every_residue(t6, lengths):
    proteins = [*random_proteins(lengths), Protein("odd", "MKXXUZOBWX")]
    mine = encoded(registry.load("esm2_t6", weights=t6.path, device="cpu"), proteins)
    for digest, theirs in by_fair_esm(t6.path, proteins).items():
        worst = np.abs(mine[digest] - theirs).max(1) / np.abs(theirs).max(1)
        assert worst.max() <= 1e-4


def test_tokens_are_those_of_fair_esm():
    from esm import Alphabet

    theirs = Alphabet.from_architecture("ESM-1b")
    sequence = "ACDEFGHIKLMNPQRSTVWYXUZOB"
    expected = [theirs.cls_idx, *theirs.encode(sequence), theirs.eos_idx]
    batch = ours.TOKENISER.pack([sequence, "J"], torch.device("cpu"))
    assert batch.ids.tolist() == [*expected, theirs.cls_idx, theirs.get_idx("X"), theirs.eos_idx]


def test_old_layout_of_checkpoints_is_read(tmp_path, t6):
    with torch.serialization.safe_globals([argparse.Namespace]):
        content = torch.load(t6.path, weights_only=True)
    old = tmp_path / "old.pt"
    state = {
        name.removeprefix("encoder.").replace("sentence_encoder.", "encoder.sentence_encoder."): v
        for name, v in content["model"].items()
    }
    torch.save({"args": content["cfg"]["model"], "model": state}, old)
    proteins = random_proteins([30])
    one = encoded(registry.load("esm2_t6", weights=t6.path), proteins)
    other = encoded(registry.load("esm2_t6", weights=old), proteins)
    np.testing.assert_array_equal(one[proteins[0].digest], other[proteins[0].digest])


def test_windows_come_near_the_full_forward(t6):
    spec = registry.spec("esm2_t6")
    (protein,) = random_proteins([700], seed=9)
    whole = registry.load("esm2_t6", weights=t6.path)
    cut = registry.load("esm2_t6", weights=t6.path)
    cut.window = 600  # type: ignore[misc]
    assert spec.window == 1022
    full, windowed = (encoded(e, [protein])[protein.digest] for e in (whole, cut))
    cosine = (
        (full * windowed).sum(1) / np.linalg.norm(full, axis=1) / np.linalg.norm(windowed, axis=1)
    )
    assert cosine.min() > 0.95


def test_titin_is_encoded_window_by_window(small_esm2, monkeypatch):
    (titin,) = random_proteins([35_000], seed=10)
    encoder = ours.load(small_esm2.spec, Options(small_esm2.path, "cpu"))
    sizes, forward = [], type(encoder).forward

    def counted(self, sequences):
        sizes.append(sum(map(len, sequences)))
        return forward(self, sequences)

    monkeypatch.setattr(type(encoder), "forward", counted)
    values = encoded(encoder, [titin])[titin.digest]
    assert values.shape == (35_000, small_esm2.spec.dim)
    assert max(sizes) <= max(encoder.budget, 1022)
    places = starts(35_000, 1022, "windows")
    for place, after in ((places[0], places[1]), (places[20], places[21])):
        window = Protein("window", titin.sequence[place : place + 1022])
        alone = encoded(encoder, [window])[window.digest]
        own = slice(1022 - (after - place), after - place)  # what no other window covers
        np.testing.assert_allclose(values[place:][own], alone[own], atol=1e-4)


def test_another_size_is_refused(t6):
    encoder = registry.load("esm2_t12", weights=t6.path)
    with pytest.raises(WeightsError, match="6 layers and width 320"):
        list(encoder.encode(random_proteins([5])))


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("touched-by-a-pickle"),))


def test_a_checkpoint_never_runs_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bad = tmp_path / "bad.pt"
    torch.save({"model": Evil()}, bad)
    with pytest.raises(WeightsError, match=r"bad\.pt"):
        list(registry.load("esm2_t6", weights=bad).encode(random_proteins([5])))
    assert not (tmp_path / "touched-by-a-pickle").exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", pickle.dumps([1, 2])])
def test_a_file_that_is_no_checkpoint(tmp_path, content):
    bad = tmp_path / "bad.pt"
    bad.write_bytes(content)
    with pytest.raises(WeightsError, match=r"bad\.pt"):
        list(registry.load("esm2_t6", weights=bad).encode(random_proteins([5])))


def test_out_of_memory_halves_the_budget_and_goes_on(t6, monkeypatch):
    encoder = registry.load("esm2_t6", weights=t6.path, device="cpu")
    proteins = random_proteins([100, 90, 80, 70, 30, 20])
    expected = encoded(encoder, proteins)
    forward = type(encoder).forward

    def tight(self, sequences):
        if sum(map(len, sequences)) > 150:
            raise torch.OutOfMemoryError("too much")
        return forward(self, sequences)

    monkeypatch.setattr(type(encoder), "forward", tight)
    squeezed = registry.load("esm2_t6", weights=t6.path, device="cpu")
    found = encoded(squeezed, proteins)
    assert set(found) == set(expected)
    for digest, values in found.items():
        np.testing.assert_allclose(values, expected[digest], atol=1e-4)


def test_what_memory_cannot_hold_is_listed_and_the_rest_done(t6, monkeypatch):
    encoder = registry.load("esm2_t6", weights=t6.path, device="cpu")
    proteins = random_proteins([300, 20, 10])
    forward = type(encoder).forward

    def tiny(self, sequences):
        if sum(map(len, sequences)) > 150:
            raise torch.OutOfMemoryError("too much")
        return forward(self, sequences)

    monkeypatch.setattr(type(encoder), "forward", tiny)
    assert set(encoded(encoder, proteins)) == {p.digest for p in proteins[1:]}
    assert "memory" in encoder.failures[proteins[0].digest]


def test_a_protein_that_loses_a_window_gives_none_of_it_to_others(t6, monkeypatch):
    encoder = registry.load("esm2_t6", weights=t6.path, device="cpu")
    proteins = random_proteins([50, 45, 9], seed=3)
    monkeypatch.setattr(type(encoder), "window", 20, raising=False)
    encoder.window = 20
    expected = encoded(encoder, proteins)
    forward, middle = type(encoder).forward, proteins[0].sequence[15:20]

    def full_once(self, sequences):
        if any(middle in sequence for sequence in sequences):
            raise torch.OutOfMemoryError("too much")
        return forward(self, sequences)

    monkeypatch.setattr(type(encoder), "forward", full_once)
    values = encoded(encoder, proteins)
    assert set(values) == {p.digest for p in proteins[1:]}
    assert set(encoder.failures) == {proteins[0].digest}
    for protein in proteins[1:]:
        np.testing.assert_allclose(values[protein.digest], expected[protein.digest], atol=1e-4)


def test_no_such_device(t6):
    with pytest.raises(InputError, match="device 'nonsense'"):
        registry.load("esm2_t6", weights=t6.path, device="nonsense")
