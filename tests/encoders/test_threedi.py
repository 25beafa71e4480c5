"""ProstT5's 3Di head against the two convolutions its authors describe."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from sesstore.alphabets import FOLDSEEK
from sesstore.encoders.threedi import ThreeDiHead
from sesstore.errors import MissingFileError, WeightsError


def described() -> nn.Sequential:
    torch.manual_seed(6)
    return nn.Sequential(
        nn.Conv2d(1024, 32, kernel_size=(7, 1), padding=(3, 0)),
        nn.ReLU(),
        nn.Dropout(0.0),
        nn.Conv2d(32, 20, kernel_size=(7, 1), padding=(3, 0)),
    ).eval()


def written(path: Path) -> Path:
    state = {f"classifier.{name}": value for name, value in described().state_dict().items()}
    torch.save({"state_dict": state}, path)
    return path


@pytest.mark.parametrize("length", [1, 5, 7, 300])
def test_equals_the_description(tmp_path: Path, length: int) -> None:
    values = np.random.default_rng(1).standard_normal((length, 1024)).astype(np.float32)
    head = ThreeDiHead(written(tmp_path / "model.pt"))
    with torch.no_grad():
        theirs = described()(torch.from_numpy(values).T[None, :, :, None])[0, :, :, 0].T
    torch.testing.assert_close(head.scores(values), theirs, atol=1e-5, rtol=1e-5)
    # The authors number the letters in alphabetical order.
    letters = "".join("ACDEFGHIKLMNPQRSTVWY"[i] for i in theirs.argmax(1).tolist())
    assert FOLDSEEK.decode(head(values)[0]) == letters


def test_what_is_no_head(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"cnn_chkpnt/model\.pt"):
        ThreeDiHead(tmp_path / "none.pt")
    (tmp_path / "bad.pt").write_bytes(b"no head")
    with pytest.raises(WeightsError, match=r"bad\.pt"):
        ThreeDiHead(tmp_path / "bad.pt")
    torch.save({"state_dict": {"classifier.0.weight": torch.zeros(3)}}, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match=r"other\.pt"):
        ThreeDiHead(tmp_path / "other.pt")


def test_weights_alone_and_in_half_precision_are_a_head_too(tmp_path: Path) -> None:
    values = np.random.default_rng(2).standard_normal((9, 1024)).astype(np.float16)
    state = {f"classifier.{name}": value for name, value in described().state_dict().items()}
    torch.save({name: value.half() for name, value in state.items()}, tmp_path / "bare.pt")
    bare, whole = ThreeDiHead(tmp_path / "bare.pt"), ThreeDiHead(written(tmp_path / "model.pt"))
    torch.testing.assert_close(bare.scores(values), whole.scores(values), atol=1e-2, rtol=1e-2)
    assert bare(values).shape == (1, 9)
    for head, name in ((bare, "bare.pt"), (whole, "model.pt")):
        assert head.sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
