"""The table of encoders."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from sesstore.encoders import registry
from sesstore.errors import UnknownNameError


def test_names_are_looked_up_in_any_case():
    assert registry.spec("ESM2_T33") is registry.spec("esm2_t33_650m_ur50d")
    assert len({s.name.casefold() for s in registry.specs()}) == len(registry.specs())


def test_did_you_mean():
    with pytest.raises(UnknownNameError, match="Did you mean 'esm2_t33'"):
        registry.spec("esm2_t333")


def test_listing_needs_no_torch():
    code = (
        "import sys; from sesstore.encoders import registry; registry.specs();"
        "print('torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_loading_reads_no_weights(tmp_path):
    file = tmp_path / "esm2_t6_8M_UR50D.pt"
    file.write_bytes(b"only hashed")
    encoder = registry.load("esm2_t6", weights=file)
    assert len(encoder.fingerprint.weights_sha256) == 64


def test_what_is_asked_for_is_in_the_fingerprint(tmp_path):
    file = tmp_path / "esm2_t6_8M_UR50D.pt"
    file.write_bytes(b"only hashed")
    made = registry.load("esm2_t6", weights=file, long="nterm", precision="bf16", device="cpu")
    fingerprint = made.fingerprint
    assert fingerprint.encoder == "esm2_t6_8M_UR50D"
    assert fingerprint.weights_sha256 == hashlib.sha256(b"only hashed").hexdigest()
    assert (fingerprint.layer, fingerprint.long_policy) == (6, "nterm(1022)")
    assert (fingerprint.precision, made.device.type) == ("bf16", "cpu")
    spec = registry.spec("esm2_t6")
    assert (made.licence, made.citation) == (spec.licence, spec.citation)
    assert spec.licence != spec.citation
    plain = registry.load("esm2_t6", weights=file, device="cpu").fingerprint
    assert (plain.long_policy, plain.precision) == ("windows(1022,256)", "fp32")
    other = registry.load("blosum62").fingerprint
    assert registry.titles([fingerprint, other, plain]) == [
        f"esm2_t6_8M_UR50D (bf16, {fingerprint.short})",
        "BLOSUM62",
        f"esm2_t6_8M_UR50D (fp32, {plain.short})",
    ]
