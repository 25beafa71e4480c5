from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sesstore.errors import FingerprintMismatchError, StoreFormatError
from sesstore.provenance import Fingerprint, Provenance, canonical_json, circumstances

ONE = Fingerprint("esm2_t6", "ab" * 32, 6, "esm1b", "windows(1022,256)", "fp32")


def test_equal_settings_have_equal_hashes_whatever_their_order() -> None:
    assert canonical_json({"b": 1, "a": [1.5, None]}) == '{"a":[1.5,null],"b":1}'
    shuffled = dict(reversed(list(ONE.to_json().items())))
    assert Fingerprint.from_json(shuffled).digest == ONE.digest
    assert ONE.short == ONE.digest[:12]


@pytest.mark.parametrize("setting", list(ONE.to_json()))
def test_every_setting_counts_and_is_named_when_it_differs(setting: str) -> None:
    other = replace(ONE, **{setting: 7 if setting == "layer" else "other"})
    assert other.digest != ONE.digest
    with pytest.raises(FingerprintMismatchError, match=setting):
        ONE.check_same(other)
    ONE.check_same(replace(other, **{setting: getattr(ONE, setting)}))


def test_provenance_survives_json_and_unknown_keys() -> None:
    made = Provenance(ONE, 320, "float16", "MIT", "Lin et al. 2023")
    written = json.loads(json.dumps({**made.to_json(), "later": 1}))
    assert Provenance.from_json(written) == made


@pytest.mark.parametrize(
    "written", [{}, {"fingerprint": {}}, {"fingerprint": 3}, {"fingerprint": None}]
)
def test_what_is_no_provenance_is_refused(written) -> None:
    with pytest.raises(StoreFormatError):
        Provenance.from_json(written)


def test_circumstances_say_when_and_with_what() -> None:
    said = circumstances("numpy", "no-such-package")
    assert said["date"].endswith("+00:00")
    assert {"python", "sesstore", "numpy"} <= set(said["versions"])
    assert "no-such-package" not in said["versions"]
