"""Any ONNX file with its tokenizer beside it: rows are onnxruntime's own of each protein alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sesstore.encoders import registry
from sesstore.encoders.base import Encoder
from sesstore.errors import InputError, UnknownNameError, WeightsError

from ..conformance.encoder import EncoderConformance, encoded, random_proteins

pytest.importorskip("transformers")
onnx = pytest.importorskip("onnx", reason="needs the packages onnx and onnxruntime")
onnxruntime = pytest.importorskip("onnxruntime")

DIM = 24
LETTERS = list("ACDEFGHIKLMNPQRSTVWYXBUZO")


def write(folder: Path, inputs: tuple[str, ...] = ("input_ids", "attention_mask")) -> Path:
    """Write a random attention layer as an ONNX graph, with BERT's tokenizer beside it."""
    import json

    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)

    def weight(name: str, *shape: int):
        return numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)

    one, hundred = (np.array([value], np.float32) for value in (1, 100))
    constants = [
        weight("words", 30, DIM), weight("out", DIM, DIM),
        numpy_helper.from_array(one, "one"), numpy_helper.from_array(hundred, "hundred"),
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
    ]  # fmt: skip
    node = helper.make_node
    types = "token_type_ids" in inputs
    constants += [weight("types", 2, DIM)] if types else []
    nodes = [
        node("Gather", ["words", "input_ids"], ["letters" if types else "x"]),
        *([node("Gather", ["types", "token_type_ids"], ["kinds"])] if types else []),
        *([node("Add", ["letters", "kinds"], ["x"])] if types else []),
        node("Transpose", ["x"], ["keys"], perm=[0, 2, 1]),
        node("MatMul", ["x", "keys"], ["scores"]),
        node("Cast", ["attention_mask"], ["real"], to=TensorProto.FLOAT),
        node("Sub", ["real", "one"], ["absent"]),
        node("Mul", ["absent", "hundred"], ["bias"]),
        node("Mul", ["bias", "hundred"], ["large"]),
        node("Unsqueeze", ["large", "axis"], ["row"]),
        node("Add", ["scores", "row"], ["masked"]),
        node("Softmax", ["masked"], ["shares"], axis=-1),
        node("MatMul", ["shares", "x"], ["mixed"]),
        node("MatMul", ["mixed", "out"], ["last_hidden_state"]),
    ]
    size = ["batch", "length"]
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info(name, TensorProto.INT64, size) for name in inputs],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*size, DIM])],
        constants,
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "model.onnx")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS]
    (folder / "vocab.txt").write_text("\n".join(tokens))
    settings = {"hidden_size": DIM, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = {"model_type": "bert", "max_position_embeddings": 300, **settings}
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    return folder / "model.onnx"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("small-onnx"))


class TestOnnx(EncoderConformance):
    @pytest.fixture(autouse=True)
    def _file(self, file: Path) -> None:
        self.file = file

    def load(self, long: str = "windows") -> Encoder:
        return registry.load(f"onnx:{self.file}", device="cpu", long=long)


def test_equals_onnxruntime(file: Path) -> None:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    proteins = random_proteins([1, 60, 3, 200])
    mine = encoded(registry.load(f"onnx:{file}", device="cpu"), proteins)
    for protein in proteins:
        ids = np.array([[2, *(5 + LETTERS.index(a) for a in protein.sequence), 3]], np.int64)
        (theirs,) = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        worst = np.abs(mine[protein.digest] - theirs[0, 1:-1]).max() / np.abs(theirs).max()
        assert worst <= 1e-5


def test_weights_beside_the_file_are_part_of_its_identity(file: Path, tmp_path: Path) -> None:
    for part in file.parent.iterdir():
        (tmp_path / part.name).write_bytes(part.read_bytes())
    name = f"onnx:{tmp_path / 'model.onnx'}"
    alone = registry.load(name, device="cpu").fingerprint
    (tmp_path / "model.onnx_data").write_bytes(b"more weights")
    assert registry.load(name, device="cpu").fingerprint.weights_sha256 != alone.weights_sha256
    assert alone.encoder == f"onnx:{tmp_path.resolve().name}"


def test_what_cannot_be_given_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, ("input_ids", "attention_mask", "pixel_values"))
    with pytest.raises(WeightsError, match="pixel_values"):
        encoded(registry.load(f"onnx:{file}", device="cpu"), random_proteins([5]))


def test_another_width_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path)
    config = (tmp_path / "config.json").read_text().replace(str(DIM), "32")
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(WeightsError, match="no output of 32 numbers"):
        encoded(registry.load(f"onnx:{file}", device="cpu"), random_proteins([5]))


def test_a_broken_file_and_none_at_all(file: Path, tmp_path: Path) -> None:
    for part in file.parent.iterdir():
        (tmp_path / part.name).write_bytes(part.read_bytes()[:200])
    (tmp_path / "config.json").write_bytes((file.parent / "config.json").read_bytes())
    with pytest.raises(WeightsError, match="onnxruntime cannot load"):
        encoded(
            registry.load(f"onnx:{tmp_path / 'model.onnx'}", device="cpu"), random_proteins([5])
        )
    with pytest.raises(UnknownNameError, match="ONNX file"):
        registry.load("onnx:nowhere.onnx")
    with pytest.raises(InputError, match="no layer 3"):
        registry.load(f"onnx:{file}", device="cpu", layers="3")


def test_every_input_that_a_file_takes_is_what_transformers_would_give(tmp_path: Path) -> None:
    """Whatever their order: all of one sequence, whose type is 0."""
    names = ("token_type_ids", "attention_mask", "input_ids")
    file = write(tmp_path, names)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    proteins = random_proteins([1, 60, 3])
    mine = encoded(registry.load(f"onnx:{file}", device="cpu"), proteins)
    for protein in proteins:
        ids = np.array([[2, *(5 + LETTERS.index(a) for a in protein.sequence), 3]], np.int64)
        inputs = dict(zip(names, (np.zeros_like(ids), np.ones_like(ids), ids), strict=True))
        (theirs,) = session.run(None, inputs)
        worst = np.abs(mine[protein.digest] - theirs[0, 1:-1]).max() / np.abs(theirs).max()
        assert worst <= 1e-5


def test_a_file_without_letters_is_refused_and_products_are_counted(
    file: Path, tmp_path: Path
) -> None:
    encoder = registry.load(f"onnx:{file}", device="cpu")
    assert encoder.flops(98) == 2 * 12 * 1 * DIM * DIM * 100
    assert (encoder.dim, encoder.window, encoder.fingerprint.layer) == (DIM, 296, 0)
    graph = onnx.load(file)
    graph.graph.input[0].name = "letters"
    for part in graph.graph.node:
        for place, name in enumerate(part.input):
            part.input[place] = "letters" if name == "input_ids" else name
    for part in file.parent.iterdir():
        (tmp_path / part.name).write_bytes(part.read_bytes())
    onnx.save(graph, tmp_path / "model.onnx")
    with pytest.raises(WeightsError, match="takes letters, attention_mask, and sesstore gives"):
        encoded(
            registry.load(f"onnx:{tmp_path / 'model.onnx'}", device="cpu"), random_proteins([5])
        )
