"""What an adapter's settings refuse, and in which order its alphabets attend."""

from __future__ import annotations

import pytest

from sesstore import alphabets
from sesstore.adapter.adapter_config import AdapterConfig
from sesstore.alphabets import ALPHABETS, Alphabet, alphabet
from sesstore.errors import InputError, UnknownNameError


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"heads": 5}, InputError),
        ({"width": 12, "heads": 4}, InputError),
        ({"dropout": 1.0}, InputError),
        ({"dropout": -0.1}, InputError),
        ({"modality_dropout": 1.0}, InputError),
        ({"heads": 32}, InputError),  # heads of width 1, which RoPE cannot turn
        ({"pooling": "max"}, UnknownNameError),
        ({"alphabets": ("foldsek",)}, UnknownNameError),
        ({"head": "papers"}, UnknownNameError),
        ({"modality_dropout": -0.1}, InputError),
    ],
)
def test_refuses_impossible_shapes(settings, error) -> None:
    with pytest.raises(error):
        AdapterConfig(32, 2, **settings)


def test_what_is_just_possible() -> None:
    for settings in (
        {"dropout": 0.0, "modality_dropout": 0.999},
        {"heads": 16},  # two columns each
        {"width": 12, "heads": 6},
        {"heads": 5, "alphabets": ()},  # nothing attends
        {"pooling": "residue", "head": "paper"},
    ):
        config = AdapterConfig(32, 2, **settings)
        assert all(getattr(config, name) == value for name, value in settings.items())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"heads": 5}, "5 heads do not divide width 32 .*--heads"),
        ({"width": 12, "heads": 8}, "8 heads do not divide width 12"),
        ({"dropout": 1.0}, "^dropout is a share"),
        ({"modality_dropout": 1.5}, "^modality_dropout is a share"),
    ],
)
def test_what_is_refused_is_named(settings, words) -> None:
    with pytest.raises(InputError, match=words):
        AdapterConfig(32, 2, **settings)


def test_the_width_inside_is_that_of_the_projection_or_of_the_embeddings() -> None:
    assert (AdapterConfig(32, 2).inner, AdapterConfig(32, 2, width=16).inner) == (32, 16)


def test_one_alphabet_is_not_its_letters_and_all_have_one_order() -> None:
    assert AdapterConfig(32, 2, "dssp").alphabets == ("dssp",)  # type: ignore[arg-type]
    named = AdapterConfig(32, 2, ("ss3", "dssp", "foldseek", "dssp"))
    assert named.alphabets == ("foldseek", "dssp", "ss3")
    assert named.declared == {}


@pytest.fixture
def own_alphabets(monkeypatch: pytest.MonkeyPatch) -> dict[str, Alphabet]:
    """What is declared here is forgotten after it."""
    known = dict(ALPHABETS)
    monkeypatch.setattr(alphabets, "ALPHABETS", known)
    return known


def test_a_config_declares_its_alphabets_where_no_store_does(own_alphabets) -> None:
    own_alphabets["mine"] = Alphabet("mine", "ABC")
    config = AdapterConfig(32, 2, ("mine", "dssp"))
    assert config.alphabets == ("dssp", "mine")
    assert config.declared == {"mine": Alphabet("mine", "ABC").to_json()}
    del own_alphabets["mine"]
    again = AdapterConfig(32, 2, ("mine", "dssp"), declared=config.declared)
    assert again == config
    assert alphabet("mine").letters == "ABC"
    own_alphabets["mine"] = Alphabet("mine", "CBA")
    with pytest.raises(InputError, match="the adapter's record declares an alphabet 'mine'"):
        AdapterConfig(32, 2, ("mine",), declared=config.declared)


def test_an_alphabet_that_no_part_can_be_called_is_refused(own_alphabets) -> None:
    for name in ("keys", "forward"):
        own_alphabets[name] = Alphabet(name, "ABC")
        with pytest.raises(InputError, match=f"a part called '{name}'"):
            AdapterConfig(32, 2, (name,))
