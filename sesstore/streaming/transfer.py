"""Take batches from the reader's thread to where they are needed.

On a GPU that is one copy from pinned memory, which the reader gathers into, on a stream of its own:
the copy overlaps with what the GPU computes, and neither thread waits for it. Elsewhere values are
cast to float32, in which adapters compute there.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch

from .batch import Batch


class Transfer:
    """The way of batches to one device.

    Parameters
    ----------
    device : torch.device
        Where batches are needed. A GPU without a number is the current one of the thread that makes
        this, as another thread has its own.
    """

    def __init__(self, device: torch.device) -> None:
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", torch.cuda.current_device())
        self.device = device
        self._stream: Any = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def reading(self) -> AbstractContextManager[Any]:
        """What the reader's thread runs in: with the device current, and the copies' stream."""
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    def send(self, batch: Batch) -> tuple[Batch, Any]:
        """Begin to take a batch to the device, in the reader's thread; see `receive`."""
        if self._stream is None:
            return replace(batch, values=batch.values.to(torch.float32)).to(self.device), None
        on_device = batch.to(self.device)
        return on_device, self._stream.record_event()

    def receive(self, batch: Batch, copied: Any) -> Batch:
        """Return a batch that was sent, to be used by the calling thread.

        The work it puts on its stream from now on comes after the copy, and the memory is taken for
        another batch only after that work.
        """
        if copied is not None:
            stream = torch.cuda.current_stream(self.device)
            stream.wait_event(copied)
            for tensor in batch.tensors():
                tensor.record_stream(stream)
        return batch
