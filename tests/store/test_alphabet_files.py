"""Alphabets a store declares: written once, checked, shared, and used like the built-in ones."""

from __future__ import annotations

import tomllib
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sesstore.alphabets import ALPHABETS, DSSP, ESM3, Alphabet, Reduction
from sesstore.errors import CorruptStoreError, InputError, MissingFileError, UnknownNameError
from sesstore.proteins import Protein
from sesstore.residues import StructureTokens
from sesstore.sharing.pull import merge, pull
from sesstore.sharing.push import push
from sesstore.store import Store
from sesstore.store import alphabet_files as module
from sesstore.store.alphabet_files import declare_stored, read_stored, read_toml, to_toml
from sesstore.store.integrity import verify
from sesstore.store.manifest import is_entered
from sesstore.store.repair import repair

PROTEIN = Protein("p", "MKTAYIAKQR")
MOTIFS = Alphabet("motifs", codes=700, aliases={"999": "#"})
BENDS = Alphabet("bends", "SO", of=Reduction("dssp", {"S": "ST", "O": "HBEGIL"}))


def forget(name: str) -> None:
    """As another process, which has not heard of it."""
    ALPHABETS.pop(name, None)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.create(tmp_path / "store")
    store.declare(MOTIFS)
    store.declare(BENDS)
    store.add_proteins([PROTEIN])
    codes = {
        "motifs": np.arange(691, 701).reshape(1, -1),
        "esm3": np.arange(4087, 4097).reshape(1, -1),
        "dssp": DSSP.encode("HHSTTLEEB#"),
    }
    store.add_tokens([StructureTokens(PROTEIN.digest, "pdb", codes)], {})
    return store


def test_wide_codes_come_back_in_another_process(store: Store) -> None:
    forget("motifs")
    (found,) = Store.open(store.path).tokens("pdb")
    assert found.codes["motifs"].dtype == MOTIFS.dtype == np.uint16
    assert found.codes["motifs"].tolist() == [list(range(691, 701))]
    assert found.codes["esm3"][0, -1] == ESM3.mask
    assert store.tokens("pdb").counts() == {"dssp": 1, "esm3": 1, "motifs": 1}


def test_tokens_that_follow_from_others_need_not_be_stored(store: Store) -> None:
    (found,) = store.tokens("pdb")
    bends = found.in_alphabet("bends")
    assert bends is not None
    assert BENDS.decode(bends[0]) == "OOSSSOOOO#"
    assert found.in_alphabet("ss3") is not None
    assert found.in_alphabet("foldseek") is None


def test_a_declaration_made_later_is_found(store: Store, tmp_path: Path) -> None:
    forget("motifs")
    assert store.tokens("pdb").get(PROTEIN.digest) is not None
    assert "motifs" in ALPHABETS


def test_states_never_change_under_a_name_and_aliases_may(store: Store) -> None:
    with pytest.raises(InputError, match="'motifs' with other states"):
        store.declare(Alphabet("motifs", codes=701))
    store.declare(Alphabet("motifs", codes=700, aliases={"998": "#"}))
    assert store.alphabets()["motifs"].aliases == {"998": "#"}
    with pytest.raises(InputError, match="'dssp' is an alphabet sesstore knows"):
        store.declare(DSSP)


def test_every_changed_byte_is_found_and_no_token_is_lost(store: Store) -> None:
    path = store.path / "alphabets" / "motifs.toml"
    sound = path.read_bytes()
    for place in range(len(sound)):
        broken = bytearray(sound)
        broken[place] ^= 4
        path.write_bytes(bytes(broken))
        with pytest.raises(CorruptStoreError, match=r"motifs\.toml is not what was written"):
            read_stored(path)
    (fault,) = verify(store.path).bad
    assert fault.where == "alphabets/motifs.toml"
    with pytest.raises(CorruptStoreError, match=r"motifs\.toml is not what was written"):
        Store.open(store.path)
    assert repair(store.path).alphabets_lost == ["motifs"]
    forget("motifs")
    with pytest.raises(UnknownNameError, match="sesstore alphabets"):
        list(Store.open(store.path).tokens("pdb"))
    Store.open(store.path).declare(MOTIFS)
    (found,) = Store.open(store.path).tokens("pdb")
    assert found.codes["motifs"][0, 0] == 691
    assert verify(store.path).ok


def test_they_travel_with_the_tokens(store: Store, tmp_path: Path) -> None:
    push(store, str(tmp_path / "shared"))
    for name, take in (("pulled", pull), ("merged", merge)):
        forget("motifs")
        other = Store.create(tmp_path / name)
        take(other, str(tmp_path / "shared") if take is pull else Store.open(store.path))
        assert other.alphabets().keys() == {"motifs", "bends"}
        (found,) = other.tokens("pdb")
        assert found.codes["motifs"].tolist() == [list(range(691, 701))]
        assert verify(other.path).ok


def test_another_meaning_elsewhere_is_refused(store: Store, tmp_path: Path) -> None:
    forget("motifs")
    other = Store.create(tmp_path / "other")
    other.declare(Alphabet("motifs", codes=12))
    with pytest.raises(InputError, match="'motifs' with other states"):
        pull(other, str(store.path))
    assert other.sources() == []


def test_a_users_file_is_read_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\nletters = "ab-"\n[aliases]\n" " = "#"\n')
    assert read_toml(file) == Alphabet("mine", "ab-", {" ": "#"})
    for raw in (b"name = mine", b'name = "\xff"', b"a = " + b"[" * 5000):
        file.write_bytes(raw)
        with pytest.raises(InputError, match=r"mine.toml': it is no TOML"):
            read_toml(file)
    file.write_text('name = "mine"\nletters = "aa"\n')
    with pytest.raises(InputError, match=r"mine.toml': alphabet 'mine': letters must differ"):
        read_toml(file)
    with pytest.raises(InputError, match=f"'{tmp_path}': .*Is a directory"):
        read_toml(tmp_path)
    with pytest.raises(MissingFileError, match="no file"):
        read_toml(tmp_path / "none.toml")


def test_a_store_declares_so_many_alphabets_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ALPHABET_LIMIT", 2)
    store = Store.create(tmp_path / "store")
    for alphabet in (MOTIFS, BENDS):
        store.declare(alphabet)
    with pytest.raises(InputError, match="declares 2 alphabets, as many as it can have"):
        store.declare(Alphabet("third", "AB"))
    assert store.alphabets().keys() == {"motifs", "bends"}
    store.declare(Alphabet("motifs", codes=700, aliases={"998": "#"}))
    assert store.alphabets()["motifs"].aliases == {"998": "#"}


def test_a_declaration_is_that_of_its_name_and_is_written_once(store: Store) -> None:
    motifs, bends = (store.path / "alphabets" / f"{name}.toml" for name in ("motifs", "bends"))
    before = motifs.stat()
    store.declare(MOTIFS)
    after = motifs.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert store.alphabets() == {"motifs": MOTIFS, "bends": BENDS}
    bends.write_bytes(motifs.read_bytes())
    with pytest.raises(CorruptStoreError, match="it declares 'motifs'"):
        store.alphabets()


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from("HBEGITSL"), unique=True),
    st.dictionaries(st.sampled_from(["\x7f", "\xe9", '"', "\\", " ", ".", "\t"]), st.just("A")),
)
def test_whatever_is_declared_comes_back(letters: list[str], aliases: dict[str, str]) -> None:
    """A state that nothing becomes, too, and letters TOML has to escape."""
    groups = {"A": "".join(letters[::2]), "B": "".join(letters[1::2])}
    alphabet = Alphabet("mine", "AB", aliases, of=Reduction("dssp", groups))
    document = tomllib.loads(to_toml(alphabet).decode())
    expected = {"name": "mine", "letters": "AB", "of": {"alphabet": "dssp", "groups": groups}}
    assert document == expected | ({"aliases": aliases} if aliases else {})


def test_a_state_that_nothing_becomes_leaves_a_store_that_opens(store: Store) -> None:
    rare = Alphabet("rare", "AB", of=Reduction("dssp", {"A": "", "B": "H"}))
    store.declare(rare)
    assert store.alphabets()["rare"] == rare


def test_a_stored_declaration_is_toml_below_its_hash_and_its_loss_is_noticed(store: Store) -> None:
    path = store.path / "alphabets" / "motifs.toml"
    head, body = path.read_text().split("\n", 1)
    assert head == f"# sha256 {sha256(body.encode()).hexdigest()}"
    assert tomllib.loads(body) == {"name": "motifs", "codes": 700, "aliases": {"999": "#"}}
    assert is_entered(path)
    (store.path / "alphabets" / "notes.txt").write_text("mine")
    assert list(store.alphabets()) == ["bends", "motifs"]
    path.unlink()
    (fault,) = verify(store.path).bad
    assert fault.where == "alphabets/motifs.toml"


def test_what_a_store_declares_may_not_contradict_what_is_known(store: Store) -> None:
    forget("motifs")
    declare_stored(store.path)
    assert ALPHABETS["motifs"] == MOTIFS
    ALPHABETS["motifs"] = Alphabet("motifs", codes=12)
    with pytest.raises(InputError, match=f"store {store.path} declares an alphabet 'motifs'"):
        declare_stored(store.path)
    before = (store.path / "alphabets" / "bends.toml").read_bytes()
    ALPHABETS["third"] = Alphabet("third", "XY")
    with pytest.raises(InputError, match=f"store {store.path} declares an alphabet 'third'"):
        store.declare(Alphabet("third", "AB"))
    assert not (store.path / "alphabets" / "third.toml").exists()
    assert (store.path / "alphabets" / "bends.toml").read_bytes() == before
