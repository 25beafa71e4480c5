"""T5: biases by distance."""

from __future__ import annotations

import torch

from sesstore.encoders.t5 import bucket


def test_buckets_are_those_of_transformers() -> None:
    from transformers.models.t5.modeling_t5 import T5Attention

    offset = torch.arange(-3000, 3000)
    for count in (32, 64):
        theirs = T5Attention._relative_position_bucket(offset, True, count, 128)
        torch.testing.assert_close(bucket(offset, count, 128), theirs)
