"""Which names mean one protein, by rule and never by substring.

Data banks, mirrors and tools write one protein's name in many ways. `identify` takes a name apart.
Names meet (see `name_index`) if they are equal as they stand, else by what they identify, else but
for case and for the signs tools replace (``.`` ``/`` ``|`` by ``_``), else by an alias.

=============================================================  ============  =======================
name                                                           identity      alias, version
=============================================================  ============  =======================
``sp|P00698|LYSC_CHICK Lysozyme C``, ``sp_P00698_LYSC_CHICK``  ``P00698``    ``LYSC_CHICK``
``P00698.2``, ``UniRef90_P00698``, ``AF-P00698-F1-model_v6``   ``P00698``    version 2
``tr|P00698-2|...``, ``AF-P00698-2-F1-model_v4.cif.gz``        ``P00698-2``  an isoform
``ref|NP_000537.3|``, ``NP_000537_3``                          ``NP_000537`` version 3
``pdb1abc.ent.gz``, ``1ABC-assembly1.cif``                     ``1abc``
``1abc_A``, ``1ABC.A``, ``1abcA``, ``pdb|1abc|A``              ``1abc_A``
``MyMutant_unrelaxed_rank_001_alphafold2_...``                 itself        ``MyMutant``
``anything else``, its first word                              ``anything``  description
=============================================================  ============  =======================

A range (``P00698/12-60``), a later fragment (``AF-...-F2``) or a domain is not its protein.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNIPROT = r"(?:[OPQ]\d[A-Z0-9]{3}\d|[A-NR-Z]\d(?:[A-Z][A-Z0-9]{2}\d){1,2})"
_PACKED = re.compile(r"\.(gz|xz|bz2|zst)$", re.IGNORECASE)
_SUFFIX = re.compile(
    r"\.(pdb\d*|pdbqt|ent|cif|mmcif|bcif|fcz|dssp|fasta|faa|fa|npy|npz|pt|h5)$", re.IGNORECASE
)
_ORIGIN = re.compile(
    r"^(?:gi\|\d+\||lcl\|)?(?:uniref(?:100|90|50)_|(?:uniprotkb(?:/[a-z-]+)?|uniprot|afdb|pdb|refseq|ncbi)[:|])?",
    re.IGNORECASE,
)
_ACCESSION = re.compile(
    rf"({_UNIPROT})(?:-(\d+))?(?:\.(\d{{1,3}}))?(?:[|_]([A-Z0-9]{{1,10}}_[A-Z0-9]{{1,5}}))?",
    re.IGNORECASE,
)
_TAGGED = re.compile(
    r"(?:sp|tr)(?:\|([A-Za-z0-9]+)(?:-(\d+))?(?:[._](\d{1,3}))?(?:\|(\w*))?"
    rf"|_({_UNIPROT})(?:-(\d+))?_([A-Z0-9]{{1,10}}_[A-Z0-9]{{1,5}})(?:_[A-Za-z].*)?)",
    re.IGNORECASE,
)
_ALPHAFOLD = re.compile(
    r"AF[-_]([A-Z0-9]+)(?:-(\d+))?[-_]F1(?:[-_](?:model_)?v\d+)?(?:_[A-Z])?"
    rf"|AF_AF({_UNIPROT})F1",
    re.IGNORECASE,
)
_BANKED = re.compile(
    r"(?:(?:ref|gb|emb|dbj|pir|prf|tpg|tpe)\|)?"
    r"(?:([ANXYWZ]P_\d{3,}|ENS[A-Z]{0,4}[PTG]\d{11})(?:[._](\d{1,3}))?"
    r"|([A-Z]{3}\d{5}(?:\d\d)?|UPI[0-9A-F]{10})(?:\.(\d{1,3}))?)(?:\|.*)?"
)
_PDB = re.compile(
    r"(?:pdb[_-]?(?:0000)?)?([1-9][a-z0-9]{3})(?:[-_.]?assembly-?\d+)?"
    r"(?:[_.:|-]([a-z0-9]{1,4})(?:-\d+)?|([a-z]))?(?:\|PDBID.*)?",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"([1-9][A-Za-z0-9]{3})_\d+\|Chains?.*")
_PREDICTION = re.compile(
    r"fold_(?P<server>.+)_model_\d+"
    r"|(?P<tool>.+?)_(?:(?:un)?relaxed_(?:rank|model)_\d.*|seed-\d+_sample-\d+(?:_model)?"
    r"|model(?:_\d+)?|updated|final)"
)
_REPLACED = re.compile(r"[^A-Za-z0-9-]")


@dataclass(frozen=True, slots=True)
class Identifier:
    """A name taken apart.

    Parameters
    ----------
    text : str
        As it stands, without the white space around it.
    identity : str
        What it identifies: an accession, a PDB entry with its chain, or its first word.
    qualifier : str
        Version, or description of a name that is no accession: names with different ones do not
        meet, with and without one do.
    kin : str
        What relatives share that are not the same protein: the accession of isoforms, the entry of
        chains. Empty for a name without.
    chainless : bool
        Whether it is a PDB entry without a chain.
    aliases : tuple of str
        Further identities.
    """

    text: str
    identity: str
    qualifier: str = ""
    kin: str = ""
    chainless: bool = False
    aliases: tuple[str, ...] = ()


def folded(identity: str) -> str:
    """An identity without case, and with the signs replaced that tools replace."""
    return _REPLACED.sub("_", identity).casefold()


def identify(name: str) -> Identifier:
    """Take a name apart: an id, a header, a key or the name of a file."""
    text = name.strip()
    word, *description = text.removeprefix(">").split(None, 1) or [""]
    bare = _SUFFIX.sub("", _PACKED.sub("", word.strip("\"'")))
    bare = _ORIGIN.sub("", bare) or bare
    for rule in (_uniprot, _alphafold, _banked, _pdb):
        if (parts := rule(text, bare)) is not None:
            return parts
    match = _PREDICTION.fullmatch(bare)
    aliases = () if match is None else (identify(match["server"] or match["tool"]).identity,)
    return Identifier(text, bare, folded("".join(description)), aliases=aliases)


def _uniprot(text: str, bare: str) -> Identifier | None:
    if (tagged := _TAGGED.fullmatch(bare)) is not None:
        accession, isoform, version, entry = (
            tagged[1] or tagged[5],
            tagged[2] or tagged[6],
            tagged[3],
            tagged[4] or tagged[7],
        )
    elif (plain := _ACCESSION.fullmatch(bare)) is not None:
        accession, isoform, version, entry = plain.groups()
    else:
        return None
    return _of_accession(text, accession, isoform, version, entry)


def _of_accession(
    text: str, accession: str, isoform: str | None, version: str | None, entry: str | None
) -> Identifier:
    accession = accession.upper()
    identity = f"{accession}-{isoform}" if isoform else accession
    # An isoform has the entry name of its protein: no alias of it.
    aliases = (entry,) if entry and not isoform else ()
    return Identifier(text, identity, version or "", accession, aliases=aliases)


def _alphafold(text: str, bare: str) -> Identifier | None:
    match = _ALPHAFOLD.fullmatch(bare)
    if match is None:
        return None
    return _of_accession(text, match[1] or match[3], match[2], None, None)


def _banked(text: str, bare: str) -> Identifier | None:
    match = _BANKED.fullmatch(bare)
    if match is None:
        return None
    accession = match[1] or match[3]
    return Identifier(text, accession, match[2] or match[4] or "", accession)


def _pdb(text: str, bare: str) -> Identifier | None:
    if (entity := _ENTITY.fullmatch(bare)) is not None:
        entry, chain = entity[1], ""
    elif (match := _PDB.fullmatch(bare)) is not None:
        entry, chain = match[1], match[2] or match[3] or ""
    else:
        return None
    if entry.isdecimal():
        return None
    entry = entry.lower()
    kin = entry if len(chain) < 3 else ""  # longer ones are rarely chains
    return Identifier(text, f"{entry}_{chain}" if chain else entry, "", kin, not chain)
