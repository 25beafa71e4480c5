from __future__ import annotations

import pytest
import torch

from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.alphabets import ALPHABETS, Alphabet, Reduction, alphabet
from sesstore.errors import InputError, MissingFileError
from sesstore.training.checkpoint import load_adapter, load_state, save_state
from sesstore.training.fit import fit
from sesstore.training.fit_config import FitConfig
from sesstore.training.runs import LAST, WEIGHTS, Run


@pytest.fixture
def run(taught, out) -> Run:
    shape = AdapterConfig(16, 3, ("dssp",), heads=4)
    config = FitConfig(epochs=1, batch_tokens=300)
    return fit(taught.task(), taught.embeddings, taught.tokens, shape, config, out)


def test_a_loaded_adapter_is_ready_to_predict(run) -> None:
    adapter = load_adapter(Run.load(run.path))
    assert not adapter.training
    assert adapter.config == AdapterConfig(16, 3, ("dssp",), heads=4)


def test_a_run_brings_its_declared_alphabets_along(taught, out) -> None:
    bends = Alphabet("bends", "SO", of=Reduction("dssp", {"S": "ST", "O": "HBEGIL"}))
    taught.store.declare(bends)
    shape, config = AdapterConfig(16, 3, ("bends", "dssp"), heads=4), FitConfig(epochs=1)
    run = fit(taught.task(), taught.embeddings, taught.tokens, shape, config, out)
    weights = load_adapter(run).attentions["bends"].embedding.weight
    assert weights.shape[0] == bends.size
    del ALPHABETS["bends"]  # as another process, where no store declares it
    assert load_adapter(Run.load(run.path)).config.alphabets == ("dssp", "bends")
    assert alphabet("bends") == bends
    ALPHABETS["bends"] = Alphabet("bends", "XYZ")
    with pytest.raises(InputError, match="record declares an alphabet 'bends' with other states"):
        load_adapter(Run.load(run.path))


def test_an_alphabet_cannot_be_called_as_a_part_of_torch() -> None:
    ALPHABETS["keys"] = Alphabet("keys", "AB")
    with pytest.raises(InputError, match="Declare it under another name"):
        AdapterConfig(16, 3, ("keys",))


def test_the_last_epoch_is_kept_beside_the_best(taught, out) -> None:
    shape, config = AdapterConfig(16, 3, heads=4), FitConfig(epochs=5, batch_tokens=300, lr=0.05)
    run = fit(taught.task(), taught.embeddings, taught.tokens, shape, config, out)
    best, last = (dict(load_adapter(run, name=n).named_parameters()) for n in (WEIGHTS, LAST))
    same = all(torch.equal(best[name], last[name]) for name in best)
    assert same == (run.best_epoch == len(run.history))


def test_missing_weights(run) -> None:
    (run.path / WEIGHTS).unlink()
    with pytest.raises(MissingFileError, match="weights"):
        load_adapter(run)


def test_broken_weights(run) -> None:
    whole = (run.path / WEIGHTS).read_bytes()
    (run.path / WEIGHTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="weights"):
        load_adapter(run)


def test_state_comes_back(tmp_path) -> None:
    tensors = {"0/weights/a": torch.arange(3.0), "0/optimiser/0/step": torch.tensor(7.0)}
    facts = {"settings": {"lr": 0.1, "shape": [1, None]}, "epoch": 3, "loss": 0.1 + 0.2}
    save_state(tmp_path / "state", tensors, facts)
    found, said = load_state(tmp_path / "state", {"lr": 0.1, "shape": (1, None)})
    assert said == facts
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor)
    assert list(tmp_path.iterdir()) == [tmp_path / "state"]


def test_state_of_other_settings_names_them(tmp_path) -> None:
    save_state(tmp_path / "state", {"a": torch.zeros(1)}, {"settings": {"lr": 0.1, "seed": 1}})
    with pytest.raises(InputError, match=r"\(lr\)"):
        load_state(tmp_path / "state", {"lr": 0.2, "seed": 1})


def test_broken_state(tmp_path) -> None:
    (tmp_path / "state").write_bytes(b"nothing")
    with pytest.raises(InputError, match="interrupted"):
        load_state(tmp_path / "state", {})
