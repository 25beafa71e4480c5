"""Any model in an ONNX file with its tokenizer beside it: ``--plm onnx:FILE``, by onnxruntime.

As with a transformers folder (`transformers_folder`), the tokenizer is asked once and must give one
token a residue; ``config.json`` beside the file says how wide the model is. It runs on padded
batches, gives its last layer alone, and in the arithmetic the file was exported in.
"""

from __future__ import annotations

from collections.abc import Collection
from glob import escape
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import MissingExtraError, WeightsError
from .base import PackedEncoder, make_encoder
from .catalogue import EncoderSpec, Options
from .folder_spec import ONNX_PREFIX
from .hidden_states import States
from .tokeniser import PackedTokens, Tokeniser
from .transformers_folder import pad, tokeniser_of

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""What a file may take."""


def load(spec: EncoderSpec, options: Options) -> OnnxFile:
    """Make the model of a file ready; see `registry.load`."""
    path = options.weights or Path(spec.name.removeprefix(ONNX_PREFIX))
    # Exporters keep large weights in files of the model's name with an ending more.
    files = [path, *sorted(path.parent.glob(f"{escape(path.name)}[._]*"))]
    return make_encoder(OnnxFile, spec, options, path, files)


class OnnxFile(PackedEncoder):
    """A model that onnxruntime runs; see `PackedEncoder`."""

    def build(self) -> _Session:
        """Let onnxruntime load the model."""
        try:
            import onnxruntime
        except ImportError:
            raise MissingExtraError(f"encoder '{self.name}'", "onnx") from None
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 3  # errors only
        if self.device.type == "cpu":  # batches run side by side, a thread each
            settings.intra_op_num_threads = 1
        kind = "CUDAExecutionProvider" if self.device.type == "cuda" else "CPUExecutionProvider"
        try:
            session = onnxruntime.InferenceSession(str(self.path), settings, providers=[kind])
        except Exception as why:  # its errors have no class of their own
            first = str(why).splitlines()[0] if str(why) else type(why).__name__
            raise WeightsError(
                f"onnxruntime cannot load '{self.path}': {first}. Export the model again"
            ) from None
        return _Session(session, self.dim, self.path)

    def tokeniser(self) -> Tokeniser:
        """Ask the tokenizer beside the file what letters become."""
        return tokeniser_of(self.path.parent, self.name)

    def flops(self, length: int) -> int:
        """Floating-point operations for one protein of this length, by the number of weights."""
        return 2 * self.spec.parameters * (length + 2)


class _Session:
    """A model of onnxruntime on packed tokens: padded, run, packed again."""

    def __init__(self, session: Any, dim: int, path: Path) -> None:
        self._session, self._dim, self._path = session, dim, path
        self._names = [entry.name for entry in session.get_inputs()]
        if "input_ids" not in self._names or not set(self._names) <= set(_INPUTS):
            raise WeightsError(
                f"'{path}' takes {', '.join(self._names)}, and sesstore gives "
                f"{', '.join(_INPUTS)}, the first always. Export the encoder, for feature "
                f"extraction"
            )

    def __call__(self, batch: PackedTokens, wanted: Collection[int]) -> States:
        """Yield the rows of the only layer there is, [T, d]."""
        ids, mask = pad(batch)
        given = dict(zip(_INPUTS, (ids, mask, torch.zeros_like(ids)), strict=True))
        inputs = {name: given[name].cpu().numpy() for name in self._names}
        shape = (*ids.shape, self._dim)
        for output in self._session.run(None, inputs):
            if output.shape == shape:
                rows: Tensor = torch.from_numpy(output).to(ids.device)[mask.bool()]
                yield from ((number, rows.float()) for number in wanted)
                return
        raise WeightsError(
            f"'{self._path}' gives no output of {self._dim} numbers a token, which its config.json "
            f"says is its width. Export the encoder, for feature extraction"
        )
