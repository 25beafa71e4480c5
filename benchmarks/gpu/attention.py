"""`attend` against float64, forward and backward; then how fast."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from sesstore.attention.bias import OffsetBias
from sesstore.attention.packed import attend
from sesstore.attention.rotation import Rotation, frequencies

from ..clock import clock
from ..differences import relative_error
from .proteins import draw_lengths
from .visit import Visit

CPU = torch.device("cpu")
TOLERANCE = {torch.float32: 2e-5, torch.float16: 3e-3, torch.bfloat16: 2e-2}
LENGTHS = [1, 2, 7, 64, 65, 129, 300]


def check(visit: Visit) -> dict[str, Any]:
    """Compare every width, type and kind; measure those that encoders and adapters have."""
    errors, wrong = {}, []
    widths = (12, 24, 160) if visit.tiny else (12, 24, 32, 60, 64, 80, 128, 160, 320)
    for width in widths:
        for dtype in TOLERANCE if visit.gpu else [torch.float32, torch.bfloat16]:
            for kind in ("plain", "rotated", "biased"):
                name = f"{width} {dtype} {kind}".replace("torch.", "")
                errors[name] = _errors(visit.device, width, dtype, kind)
                if not max(errors[name]) <= TOLERANCE[dtype]:
                    wrong.append(f"{name}: {errors[name]}")
    table = {}
    rows = 128 if visit.tiny else 65536
    for heads, width, kind, size in (
        (20, 24, "rotated", rows), (20, 32, "rotated", rows), (20, 64, "rotated", rows),
        (40, 64, "rotated", rows), (32, 128, "biased", rows // 4), (20, 64, "plain", rows),
    ):  # fmt: skip
        table[f"{heads} x {width} {kind}"] = _speed(visit, heads, width, kind, size, False)
    for heads, width in ((8, 60), (8, 80), (8, 160), (16, 160), (8, 320)):
        name = f"{heads} x {width} training"
        table[name] = _speed(visit, heads, width, "rotated", min(rows, 8192), True)
    return {"wrong": wrong, "errors": errors, "table": table}


def _errors(device: torch.device, width: int, dtype: torch.dtype, kind: str) -> list[float]:
    """Errors of the output and, without a bias, of the gradients of queries, keys and values."""
    random = torch.Generator().manual_seed(1)
    shapes = ((sum(LENGTHS), 2 * width), (sum(LENGTHS), 2, 2 * width))
    values = [torch.randn(shape, generator=random).to(device, dtype) for shape in shapes]
    exact = frequencies(width, torch.float64)
    rotations: list[Rotation | None] = [None, None]
    if kind == "rotated":
        rotations = [Rotation(exact, LENGTHS, place) for place in (device, CPU)]
    bias = None
    if kind == "biased":
        table = torch.randn(2, 2 * max(LENGTHS) - 1, generator=torch.Generator().manual_seed(2))
        bias = OffsetBias(table.to(device, dtype))
    learns = bias is None
    inputs = [x.clone().requires_grad_(learns) for x in values]
    references = [x.double().cpu().requires_grad_(learns) for x in values]
    with nullcontext() if learns else torch.inference_mode():
        output = attend(inputs[0], inputs[1], LENGTHS, 2, rotation=rotations[0], bias=bias)
        expected = _by_definition(references[0], references[1], rotations[1], bias)
    errors = [relative_error(output, expected)]
    if learns:
        toward = torch.randn(output.shape, generator=torch.Generator().manual_seed(3))
        pairs = zip(
            torch.autograd.grad(output, inputs, toward.to(output)),
            torch.autograd.grad(expected, references, toward.double()),
            strict=True,
        )
        errors += [relative_error(gradient, reference) for gradient, reference in pairs]
    return [float(f"{error:.2e}") for error in errors]


def _by_definition(
    query: Tensor, key_value: Tensor, rotation: Rotation | None, bias: OffsetBias | None
) -> Tensor:
    q, k, v = (x.unflatten(-1, (2, -1)) for x in (query, *key_value.unbind(1)))
    if rotation is not None:
        q, k = rotation(q), rotation(k)
    parts = []
    for a, b, c in zip(*(torch.split(x, LENGTHS) for x in (q, k, v)), strict=True):
        scores = torch.einsum("ihd,jhd->hij", a, b) * a.shape[-1] ** -0.5
        if bias is not None:
            place = torch.arange(len(a))
            table = bias.table.double().cpu()
            scores = scores + table[:, (place - place[:, None]) + table.shape[1] // 2]
        parts.append(torch.einsum("hij,jhd->ihd", scores.softmax(-1), c))
    return torch.cat(parts).flatten(1)


def _speed(
    visit: Visit, heads: int, width: int, kind: str, rows: int, learns: bool
) -> dict[str, float]:
    lengths = sorted(draw_lengths(rows), reverse=True)  # as encoders have them
    size = (sum(lengths), 3, heads * width)
    qkv = torch.randn(size, device=visit.device).to(visit.half)

    def new_rotation() -> Rotation | None:
        return Rotation(frequencies(width), lengths, visit.device) if kind == "rotated" else None

    bias, rotation = None, new_rotation()
    if kind == "biased":
        table = torch.randn(heads, 2 * max(lengths) - 1, device=visit.device)
        bias = OffsetBias(table.to(visit.half))
    flops = 4 * sum(n * n for n in lengths) * heads * width

    def forward() -> Tensor:
        return attend(qkv[:, 0], qkv[:, 1:], lengths, heads, rotation=rotation, bias=bias)

    with torch.inference_mode():
        seconds = clock(forward, visit.device)
    row = {"ms": seconds * 1e3, "tflops": flops / seconds / 1e12}
    if learns:
        qkv.requires_grad_()
        rotation = new_rotation()  # the one before was made in inference mode
        toward = torch.randn_like(forward())
        seconds = clock(lambda: torch.autograd.grad(forward(), qkv, toward), visit.device)
        row |= {"both_ms": seconds * 1e3, "both_tflops": 3 * flops / seconds / 1e12}
    return row
