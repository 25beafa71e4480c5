"""AMPLIFY, E1 and ESM++ on small random models in their origin's files.

Transformers brings none of the origins' code. References here are plain torch written from what the
authors publish (AMPLIFY: equations of its ``amplify.py``, complex rotary included; E1: of its
``modeling.py``); ESM++ is ESM C's original layout in a folder, so transformers' ESM C serves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from sesstore.encoders import registry
from sesstore.encoders.base import Encoder
from sesstore.encoders.catalogue import EncoderSpec, Options
from sesstore.errors import WeightsError
from sesstore.proteins import Protein

from ..conformance.encoder import EncoderConformance, encoded, random_proteins

D, HEADS, LAYERS, HIDDEN, EPS = 48, 4, 3, 96, 1e-2  # no default of either
ODD = Protein("odd", "MKXXUZOBWJX")
LETTERS = "LAGVSERTIDPKQNFYMHWCXBUZOJ"

State = dict[str, Tensor]


def random_state(shapes: dict[str, tuple[int, ...]]) -> State:
    """Seeded weights; of norms about one."""
    torch.manual_seed(11)
    return {
        name: 1 + 0.1 * torch.randn(shape) if len(shape) == 1 else 0.1 * torch.randn(shape)
        for name, shape in shapes.items()
    }


def write(folder: Path, state: State, config: dict, tokens: list[str]) -> None:
    """Write weights, settings and a tokenizer of one token a letter."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    save_file(
        {name: value.contiguous() for name, value in state.items()}, folder / "model.safetensors"
    )
    (folder / "config.json").write_text(json.dumps(config))
    known = {token: i for i, token in enumerate(tokens)}
    Tokenizer(WordLevel(known, unk_token="<unk>")).save(str(folder / "tokenizer.json"))


def rms(x: Tensor, weight: Tensor) -> Tensor:
    return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + EPS) * weight


def softmax_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """[T, H, D/H] each, to [T, D]."""
    scores = torch.einsum("qhd,khd->hqk", query, key) / query.shape[-1] ** 0.5
    return torch.einsum("hqk,khd->qhd", scores.softmax(-1), value).flatten(1)


def in_heads(x: Tensor) -> Tensor:
    return x.view(len(x), HEADS, -1)


AMPLIFY_TOKENS = ["<pad>", "<unk>", "<mask>", "<bos>", "<eos>", "|", *"LAGVSERTIDPKQNFYMHWCB"]


def write_amplify(folder: Path) -> State:
    shapes: dict[str, tuple[int, ...]] = {"encoder.weight": (27, D), "layer_norm_2.weight": (D,)}
    shapes |= {"decoder.weight": (27, D), "decoder.bias": (27,)}
    for layer in range(LAYERS):
        block = f"transformer_encoder.{layer}."
        shapes |= {f"{block}{part}.weight": (D, D) for part in ("q", "k", "v", "wo")}
        shapes |= {f"{block}{norm}_norm.weight": (D,) for norm in ("attention", "ffn")}
        shapes |= {f"{block}ffn.w12.weight": (2 * HIDDEN, D), f"{block}ffn.w3.weight": (D, HIDDEN)}
    state = random_state(shapes)
    config = {"hidden_size": D, "norm_eps": EPS, "rms_norm": True, "hidden_act": "SwiGLU"}
    write(folder, state, config, AMPLIFY_TOKENS)
    return state


def amplify_states(state: State, sequence: str) -> Iterator[Tensor]:
    known = [letter if letter in AMPLIFY_TOKENS else "<unk>" for letter in sequence]
    ids = [AMPLIFY_TOKENS.index(t) for t in ["<bos>", *known, "<eos>"]]
    x = state["encoder.weight"][ids]
    yield x
    pairs = D // HEADS // 2
    angles = torch.outer(torch.arange(len(ids)), 10000.0 ** (-torch.arange(pairs) / pairs))
    turns = torch.polar(torch.ones_like(angles), angles)[:, None]  # neighbours make a number

    def turned(y: Tensor) -> Tensor:
        numbers = torch.view_as_complex(in_heads(y).unflatten(-1, (-1, 2)).contiguous())
        return torch.view_as_real(numbers * turns).flatten(2)

    for layer in range(LAYERS):
        w = {n.split(".", 2)[2]: v for n, v in state.items() if f"encoder.{layer}." in n}
        rows = rms(x, w["attention_norm.weight"])
        query, key, value = (rows @ w[f"{part}.weight"].T for part in "qkv")
        x = x + softmax_attention(turned(query), turned(key), in_heads(value)) @ w["wo.weight"].T
        gate, up = (rms(x, w["ffn_norm.weight"]) @ w["ffn.w12.weight"].T).chunk(2, -1)
        x = x + (F.silu(gate) * up) @ w["ffn.w3.weight"].T
        yield x if layer < LAYERS - 1 else rms(x, state["layer_norm_2.weight"])


E1_TOKENS = ["<pad>", "<bos>", "<eos>", "<unk>", "1", "2", "?", *LETTERS]


def write_e1(folder: Path) -> State:
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (33, D),
        "model.embed_seq_id.weight": (8, D),
        "model.norm.weight": (D,),
        "mlm_head.0.weight": (D, D),
    }
    for layer in range(LAYERS):
        block, attention = f"model.layers.{layer}.", f"model.layers.{layer}.norm_attn_norm."
        shapes |= {f"{attention}self_attn.{part}_proj.weight": (D, D) for part in "qkvo"}
        shapes |= {
            f"{attention}{place}_layernorm.weight": (D,) for place in ("input", "post_attention")
        }
        shapes |= {f"{block}ffn.mlp.{part}.weight": (HIDDEN, D) for part in ("w1", "w3")}
        shapes |= {f"{block}ffn.mlp.w2.weight": (D, HIDDEN)}
    state = random_state(shapes)
    config = {
        "hidden_size": D, "gated_mlp": True, "hidden_act": "silu", "rms_norm_eps": EPS,
        "clip_qkv": 1.5, "global_attention_every_n_layers": 3,
        "rope_theta_within_seq": 10000.0, "rope_theta_global": 500000.0,
    }  # fmt: skip
    write(folder, state, config, E1_TOKENS)
    return state


def e1_states(state: State, sequence: str) -> Iterator[Tensor]:
    ids = [E1_TOKENS.index(t) for t in ["<bos>", "1", *sequence, "2", "<eos>"]]
    x = state["model.embed_tokens.weight"][ids] + state["model.embed_seq_id.weight"][0]
    yield x
    head_dim = D // HEADS
    for layer in range(LAYERS):
        base = 500000.0 if (layer + 1) % 3 == 0 else 10000.0
        steps = base ** -(torch.arange(0, head_dim, 2) / head_dim)
        angles = torch.outer(torch.arange(len(ids)), steps).repeat(1, 2)[:, None]

        def turned(y: Tensor, angles: Tensor = angles) -> Tensor:
            first, second = in_heads(y).chunk(2, -1)
            return in_heads(y) * angles.cos() + torch.cat([-second, first], -1) * angles.sin()

        w = {n.split(".", 3)[3]: v for n, v in state.items() if f"layers.{layer}." in n}
        rows = rms(x, w["norm_attn_norm.input_layernorm.weight"])
        query, key, value = (
            (rows @ w[f"norm_attn_norm.self_attn.{part}_proj.weight"].T).clamp(-1.5, 1.5)
            for part in "qkv"
        )
        attended = softmax_attention(turned(query), turned(key), in_heads(value))
        x = x + attended @ w["norm_attn_norm.self_attn.o_proj.weight"].T
        rows = rms(x, w["norm_attn_norm.post_attention_layernorm.weight"])
        hidden = F.silu(rows @ w["ffn.mlp.w1.weight"].T) * (rows @ w["ffn.mlp.w3.weight"].T)
        x = x + hidden @ w["ffn.mlp.w2.weight"].T
        yield x if layer < LAYERS - 1 else rms(x, state["model.norm.weight"])


@dataclass(frozen=True)
class Model:
    """A random model on disk, and its states by the reference."""

    spec: EncoderSpec
    folder: Path
    states: Callable[[str], Iterator[Tensor]]

    def load(self, **options) -> Encoder:
        family = import_module(f"sesstore.encoders.{self.spec.family}")
        encoder: Encoder = family.load(self.spec, Options(self.folder, "cpu", **options))
        return encoder


def small_spec(name: str) -> EncoderSpec:
    """What is known of a small model of that name."""
    return replace(registry.spec(name), dim=D, layers=LAYERS, heads=HEADS)


MAKERS = {"amplify_120m": (write_amplify, amplify_states), "e1_300m": (write_e1, e1_states)}


@pytest.fixture(scope="module", params=MAKERS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp(request.param)
    writer, states = MAKERS[request.param]
    state = writer(folder)
    spec = replace(small_spec(request.param), window=500)
    return Model(spec, folder, lambda sequence: states(state, sequence))


class TestGated(EncoderConformance):
    @pytest.fixture(autouse=True)
    def _model(self, model: Model) -> None:
        self.model = model

    def load(self, long: str = "windows") -> Encoder:
        return self.model.load(long=long)


@pytest.mark.usefixtures("attending")
def test_equals_the_reference_at_every_layer(model: Model) -> None:
    proteins = [*random_proteins([1, 60, 3, 331, 61]), ODD]
    values = {(e.digest, e.output): e.values for e in model.load(layers="0-3").encode(proteins)}
    before = len(model.spec.reading.before)
    for protein in proteins:
        for layer, state in enumerate(model.states(protein.sequence)):
            theirs = state[before : before + len(protein)].numpy()
            worst = np.abs(values[protein.digest, layer] - theirs).max() / np.abs(theirs).max()
            assert worst <= 1e-4


def test_another_size_is_refused(model: Model) -> None:
    other = replace(model, spec=replace(model.spec, layers=5)).load()
    with pytest.raises(WeightsError, match="3 layers and width 48"):
        list(other.encode(random_proteins([5])))


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [("amplify_120m", "att_bias", True), ("e1_300m", "gated_mlp", False)],
)
def test_settings_that_change_the_forward_are_refused(
    tmp_path: Path, name: str, key: str, value: object
) -> None:
    MAKERS[name][0](tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {key: value}))
    with pytest.raises(WeightsError, match=key):
        Model(small_spec(name), tmp_path, lambda _: iter(())).load().build()


def test_a_folder_without_its_tokenizer_says_so(tmp_path: Path) -> None:
    write_e1(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    model = Model(small_spec("e1_300m"), tmp_path, lambda _: iter(()))
    with pytest.raises(WeightsError, match=r"tokenizer\.json"):
        list(model.load().encode(random_proteins([5])))


def test_esmc_reads_the_folder_of_esm_plus_plus(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    if not hasattr(transformers, "EsmcModel"):
        pytest.skip("this transformers has no ESM C")
    torch.manual_seed(3)
    config = transformers.EsmcConfig(
        hidden_size=D, intermediate_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS
    )
    model = transformers.EsmcModel(config).eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    (tmp_path / "esmc").mkdir()
    model.save_pretrained(tmp_path / "esmc")
    (tmp_path / "esmpp").mkdir()
    write(tmp_path / "esmpp", as_esm_plus_plus(model.state_dict()), {"vocab_size": 64}, ["<unk>"])
    spec = small_spec("esmc_300m")
    proteins = [*random_proteins([17, 40]), ODD]
    one, other = (
        encoded(Model(spec, tmp_path / name, lambda _: iter(())).load(), proteins)
        for name in ("esmc", "esmpp")
    )
    for protein in proteins:
        np.testing.assert_array_equal(one[protein.digest], other[protein.digest])


def as_esm_plus_plus(state: State) -> State:
    """ESM C's weights by the names of ESM++, its head and rotary buffers beside them."""
    renamed = {
        "embed.weight": state["embed_tokens.weight"],
        "transformer.norm.weight": state["norm.weight"],
        "sequence_head.0.weight": torch.zeros(D, D),
    }
    for layer in range(LAYERS):
        block = f"transformer.blocks.{layer}."
        w = {n.split(".", 2)[2]: v for n, v in state.items() if n.startswith(f"layers.{layer}.")}
        renamed |= {
            f"{block}attn.layernorm_qkv.0.weight": w["input_layernorm.weight"],
            f"{block}attn.layernorm_qkv.0.bias": w["input_layernorm.bias"],
            f"{block}attn.layernorm_qkv.1.weight": torch.cat(
                [w[f"self_attn.{part}_proj.weight"] for part in "qkv"]
            ),
            f"{block}attn.q_ln.weight": w["self_attn.q_norm.weight"],
            f"{block}attn.k_ln.weight": w["self_attn.k_norm.weight"],
            f"{block}attn.out_proj.weight": w["self_attn.o_proj.weight"],
            f"{block}ffn.0.weight": w["post_attention_layernorm.weight"],
            f"{block}ffn.0.bias": w["post_attention_layernorm.bias"],
            f"{block}ffn.1.weight": torch.cat([w["mlp.gate_proj.weight"], w["mlp.up_proj.weight"]]),
            f"{block}ffn.3.weight": w["mlp.down_proj.weight"],
            f"{block}attn.rotary.inv_freq": torch.ones(D // HEADS // 2),
        }
    return renamed
