"""`sesstore plms`: the list, and all that is known of some."""

from __future__ import annotations

from pathlib import Path

import pytest

from sesstore.encoders import registry


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("SESSTORE_WEIGHTS", raising=False)


def test_all_are_listed(cli) -> None:
    assert "esm2_t33" in cli("plms").out
    assert {"name", "dim", "licence", "here"} <= cli("plms", "--json").json["plms"][0].keys()


def test_everything_about_one(cli) -> None:
    said = cli("plms", "prostt5").out
    for fact in (
        "1,024", "1,208,000,000", "spiece.model", "huggingface.co/Rostlab/ProstT5", "2,000",
        "UZOBJ->X", "<AA2fold> ... </s>", "MIT", "doi:10.1093/nargab/lqae150",
    ):  # fmt: skip
        assert fact in said
    assert "fp32 (on a CPU, by default), bf16 (on a GPU, by default)" in " ".join(said.split())
    assert "by default" not in cli("plms", "near").out
    assert "--source" not in said
    assert "embed --source" in cli("plms", "saprot_35m").out
    (entry,) = cli("plms", "prostt5", "--json").json["plms"]
    assert entry["reading"]["before"] == ["<AA2fold>"]


def test_every_encoder_states_what_it_is() -> None:
    for spec in registry.specs():
        assert spec.reading.mapping
        assert spec.licence
        assert spec.citation or spec.name == "onehot"
        assert spec.files or spec.family == "baselines"


def test_weights_that_are_named_count_for_their_encoder_alone(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "esm2_t12_35M_UR50D.pt"
    file.write_bytes(b"weights")
    monkeypatch.setenv("SESSTORE_WEIGHTS", str(file))
    here = {one["name"] for one in cli("plms", "--json").json["plms"] if one["here"]}
    assert here - {"near", "antiberty", "onehot", "blosum62"} == {"esm2_t12"}


def test_no_such_encoder(cli) -> None:
    said = cli("plms", "esm2_33")
    assert said.status == 2
    assert "Did you mean 'esm2_t33'?" in said.err


def test_a_filter_looks_at_everything_that_is_said(cli) -> None:
    def names(text: str) -> set[str]:
        return {entry["name"] for entry in cli("plms", "--filter", text, "--json").json["plms"]}

    assert names("antibod") == {"antiberty"}
    assert {"ankh_base", "ankh3_xl"} <= names("cc-by-nc")
    allowed = names("commercial")
    assert "esm2_t33" in allowed
    assert not any(name.startswith("ankh") for name in allowed)
    refused = cli("plms", "--filter", "nothing-like-it")
    assert refused.status == 2
    assert "`sesstore plms` lists all" in refused.err


def test_sizes_are_of_the_files_that_are_here(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "esm2_t12_35M_UR50D.pt"
    file.write_bytes(b"weights")
    monkeypatch.setenv("SESSTORE_WEIGHTS", str(file))
    listed = {entry["name"]: entry for entry in cli("plms", "--json").json["plms"]}
    assert listed["esm2_t12"]["bytes_on_disk"] == 7
    assert listed["esm2_t33"]["bytes_on_disk"] is None
    assert "~2.6 GB" in cli("plms", "esm2_t33").out
    assert "not allowed" in cli("plms", "ankh_base").out
    assert "not known to be allowed" in cli("plms", "ism_t33").out
