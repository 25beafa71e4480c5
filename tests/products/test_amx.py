"""The matrix unit's products, emulated: every shape against float64, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from sesstore.errors import InputError
from sesstore.products import amx

SHAPES = st.tuples(st.integers(1, 70), st.integers(1, 70), st.integers(1, 100))


def operands(rows: int, columns: int, terms: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    x, weight = (torch.randn(n, terms, generator=chance) for n in (rows, columns))
    return x, weight, torch.randn(columns, generator=chance)


def exact(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.linear(x.double(), weight.double(), None if bias is None else bias.double())


def terms_of(x: Tensor, weight: Tensor) -> Tensor:
    return F.linear(x.double().abs(), weight.double().abs())


def relative(result: Tensor, expected: Tensor) -> float:
    return float((result - expected).norm() / expected.norm())


@given(SHAPES, st.booleans(), st.booleans(), st.booleans(), st.integers(0, 2**31))
def test_any_shape_and_stride_against_float64(
    emulated: Any,
    shape: tuple[int, ...],
    split: bool,
    x_turned: bool,
    w_turned: bool,
    seed: int,
) -> None:
    """Each number within what its terms' lost bits come to, and the whole within 1e-5."""
    x, weight, bias = operands(*shape, seed)
    if not split:
        weight = weight.bfloat16()
    x_there = x.T.contiguous().T if x_turned else x
    w_there = weight.T.contiguous().T if w_turned else weight
    packed = amx.pack(w_there)
    assert packed is not None
    lost = (packed.unpacked() - weight.float()).abs()
    assert (lost <= (2.0**-17 if split else 0) * weight.float().abs()).all()
    result = packed.affine(x_there, bias)
    terms = terms_of(x, weight) + bias.abs()
    bound = amx.ERROR[packed.parts] + shape[2] * 2.0**-24
    assert ((result - exact(x, weight, bias)).abs() <= bound * terms).all()
    if split and shape[2] >= 16 and shape[0] * shape[1] >= 256:
        assert relative(packed.affine(x_there), exact(x, weight)) <= 1e-5


@pytest.mark.parametrize("parts", [1, 2])
def test_terms_in_more_than_one_pass(emulated: Any, parts: int) -> None:
    """Longer than what is packed at once, and more rows than that."""
    x, weight, bias = operands(40, 33, 2 * 1280 + 7)
    packed = amx.pack(weight if parts == 2 else weight.bfloat16())
    assert packed is not None
    wide = torch.zeros(40, 50)
    into = wide[:, 5:38]
    into += bias
    packed.affine(x, bias, "relu", into)
    expected = exact(x, weight, bias).relu() + bias
    assert relative(into, expected) < (1e-5 if parts == 2 else 4e-3)
    assert not wide[:, :5].any()
    assert not wide[:, 38:].any()
    tall, narrow, _ = operands(600, 3, 5)
    small = amx.pack(narrow)
    assert small is not None
    assert relative(small.affine(tall), exact(tall, narrow)) < 1e-5


def test_it_is_the_product_of_the_rounded_numbers_when_plain(emulated: Any) -> None:
    """Rounded to nearest even, and one bfloat16 product: what is left is the order of sums."""
    x, weight, _ = operands(50, 40, 64)
    packed = amx.pack(weight.bfloat16())
    assert packed is not None
    expected = exact(x.bfloat16(), weight.bfloat16())
    assert relative(packed.affine(x), expected) < 1e-6
    assert torch.equal(packed.affine(x.bfloat16()), packed.affine(x))
    ties = torch.tensor([1 + 2.0**-8, 1 + 3 * 2.0**-8, -1 - 2.0**-8, 1 + 2.0**-8 + 2.0**-20])
    one = amx.pack(torch.ones(1, 1).bfloat16())
    assert one is not None
    assert one.affine(ties[:, None])[:, 0].tolist() == ties.bfloat16().tolist()


@pytest.mark.parametrize("activation", amx.ACTIVATIONS)
def test_bias_activation_and_sum_are_what_torch_makes_of_the_product(
    emulated: Any, activation: str
) -> None:
    x, weight, bias = operands(90, 45, 20)
    x *= 4
    packed = amx.pack(weight)
    assert packed is not None
    expected = packed.affine(x) + bias
    if activation != "none":
        expected = F.gelu(expected) if activation == "gelu" else expected.relu()
    result = packed.affine(x, bias, activation)
    assert (result - expected).abs().max() < (4e-6 if activation == "gelu" else 1e-30)
    before = torch.randn(90, 45)
    rows = before.clone()
    assert packed.affine(x, bias, activation, rows) is rows
    torch.testing.assert_close(rows, before + result)


def test_gelu_over_its_whole_range(emulated: Any) -> None:
    one = amx.pack(torch.ones(1, 1))
    assert one is not None
    x = torch.cat([torch.linspace(-12, 12, 4001), torch.tensor([-1e30, -200, 200, 1e30])])
    x = x.bfloat16().float()  # exact in one part: the activation alone is seen
    result = one.affine(x[:, None], activation="gelu")[:, 0]
    error = (result - F.gelu(x.double())).abs() / x.abs().clamp(min=1)
    assert error.max() < 2.5e-7


def test_rows_have_the_same_bits_alone_and_among_others_on_any_number_of_threads(
    emulated: Any,
) -> None:
    x, weight, bias = operands(300, 40, 70)
    packed = amx.pack(weight)
    assert packed is not None
    results = []
    threads = torch.get_num_threads()
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            results.append(packed.affine(x, bias))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*results)
    for row in (0, 31, 32, 299):
        assert torch.equal(packed.affine(x[row : row + 1], bias)[0], results[0][row])


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 3.4e38, (2 - 2.0**-8) * 2.0**127])
@pytest.mark.parametrize("add", [False, True])
def test_what_bfloat16_cannot_hold_is_left_to_float32(
    emulated: Any, value: float, add: bool
) -> None:
    """And touches no other row."""
    x, weight, bias = operands(70, 33, 40)
    weight[:, 3] = torch.tensor([1.0, -1.0, 2.0**-120]).repeat(11)  # whose lower parts are zero
    packed = amx.pack(weight)
    assert packed is not None
    clean = packed.affine(x, bias, "relu", torch.ones(70, 33) if add else None)
    x[44, 3] = value
    result = packed.affine(x, bias, "relu", torch.ones(70, 33) if add else None)
    others = torch.arange(70) != 44
    assert torch.equal(result[others], clean[others])
    expected = F.linear(x[44], weight, bias).relu() + add
    torch.testing.assert_close(result[44], expected, equal_nan=True, rtol=2e-5, atol=1e-5)
    # The largest that bfloat16 does hold is the kernel's.
    x[44, 3] = torch.finfo(torch.bfloat16).max
    torch.testing.assert_close(packed.affine(x)[44], F.linear(x[44], weight), rtol=3e-5, atol=1e-5)


@pytest.mark.parametrize("value", [math.inf, math.nan])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_weight_that_is_not_finite_is_not_packed(
    emulated: Any, value: float, dtype: torch.dtype
) -> None:
    weight = torch.ones(5, 70, dtype=dtype)
    weight[4, 69] = value
    assert amx.pack(weight) is None


def test_the_smallest_numbers_count_as_zero(emulated: Any) -> None:
    one = amx.pack(torch.ones(1, 1))
    assert one is not None
    x = torch.tensor([[2.0**-127], [2.0**-126], [-(2.0**-130)], [-(2.0**-126)]])
    assert one.affine(x)[:, 0].tolist() == [0, 2.0**-126, 0, -(2.0**-126)]


def test_no_rows_are_no_rows(emulated: Any) -> None:
    packed = amx.pack(torch.ones(5, 7))
    assert packed is not None
    assert packed.affine(torch.empty(0, 7)).shape == (0, 5)
    for empty in (torch.empty(0, 7), torch.empty(5, 0)):
        assert not amx.takes(empty)
        assert amx.pack(empty) is None


def wrong_calls() -> dict[str, tuple[Any, ...]]:
    """Arguments of `affine` with which the kernel would leave its memory."""
    x = torch.ones(4, 7)
    return {
        "fewer columns": (x[:, :6],),
        "more columns": (torch.ones(4, 8),),
        "one row": (x[0],),
        "elsewhere": (x.to("meta"),),
        "a short bias": (x, torch.ones(4)),
        "a bias apart": (x, torch.ones(10)[::2]),
        "a bias of another type": (x, torch.ones(5).double()),
        "another activation": (x, None, "tanh"),
        "fewer results": (x, None, "none", torch.ones(3, 5)),
        "results of another type": (x, None, "none", torch.ones(4, 5).double()),
        "results column by column": (x, None, "none", torch.ones(5, 4).T),
    }


@pytest.mark.parametrize("call", wrong_calls())
def test_what_does_not_fit_never_reaches_the_kernel(emulated: Any, call: str) -> None:
    packed = amx.pack(torch.ones(5, 7))
    assert packed is not None
    with pytest.raises(InputError):
        packed.affine(*wrong_calls()[call])


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch, emulation: Any) -> Any:
    """A processor that says it has the unit, and the emulation where the kernel is looked for."""
    monkeypatch.delenv("SESSTORE_AMX", raising=False)
    monkeypatch.setattr(amx, "_processor_flags", lambda: amx._FLAGS)
    monkeypatch.setattr(amx, "import_module", lambda _: emulation)
    return monkeypatch


def load() -> Any:
    return amx.kernel.__wrapped__()


def test_it_is_loaded_where_processor_and_system_have_it(processor: Any, emulation: Any) -> None:
    assert load() is emulation
    refusal = SimpleNamespace(pack=None, affine=None, permit=lambda: False)
    processor.setattr(amx, "import_module", lambda _: refusal)
    assert load() is None
    processor.setattr(amx, "_processor_flags", lambda: amx._FLAGS - {"amx_bf16"})
    processor.setattr(amx, "import_module", lambda _: pytest.fail("it may not even be loaded"))
    assert load() is None


def test_it_can_be_switched_off_and_may_be_absent(processor: Any, emulation: Any) -> None:
    processor.setenv("SESSTORE_AMX", "0")
    assert load() is None
    processor.setenv("SESSTORE_AMX", "1")
    assert load() is emulation

    def absent(_: str) -> None:
        raise ImportError

    processor.setattr(amx, "import_module", absent)
    assert load() is None


@pytest.mark.parametrize("parts", [1, 2])
def test_a_unit_that_multiplies_wrong_is_left_out_with_a_warning(
    processor: Any, emulation: Any, parts: int
) -> None:
    def affine(addresses: Any, *rest: Any) -> int:
        count: int = emulation.affine(addresses, *rest)
        if rest[3] == parts:  # the first number of the stretch becomes another
            import ctypes

            ctypes.c_float.from_address(addresses[3]).value += 20.0
        return count

    wrong = SimpleNamespace(permit=emulation.permit, pack=emulation.pack, affine=affine)
    processor.setattr(amx, "import_module", lambda _: wrong)
    with pytest.warns(UserWarning, match=f"off by .* in {parts} part.*torch multiplies instead"):
        assert load() is None


def test_what_linux_says_of_processors(tmp_path: Path) -> None:
    listing = tmp_path / "cpuinfo"
    listing.write_text("processor\t: 0\nflags\t\t: fpu amx_bf16 amx_tile\nflags\t\t: other\n")
    assert amx._processor_flags(listing) == {"fpu", "amx_bf16", "amx_tile"}
    listing.write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    assert amx._processor_flags(listing) == set()
    assert amx._processor_flags(tmp_path / "absent") == set()


@pytest.mark.skipif(amx.kernel() is None, reason="this machine has no matrix unit for bfloat16")
def test_the_unit_has_the_emulation_s_bits(emulation: Any) -> None:
    x, weight, bias = operands(100, 77, 1500)
    compiled = amx.kernel()
    for kind in (weight, weight.bfloat16()):
        packed = amx._pack(compiled, kind)
        expected = amx._pack(emulation, kind)
        assert packed is not None
        assert expected is not None
        assert torch.equal(packed.tiles, expected.tiles)
        assert torch.equal(
            amx._affine(compiled, packed, x, bias, "none", None),
            amx._affine(emulation, expected, x, bias, "none", None),
        )
