"""Tokens over the observed residues of one model: what a worker process does.

A model is one file, or the fragments AlphaFold DB cut a long protein into. Coordinates go in, a few
bytes a residue come out; which protein they belong to is decided elsewhere (see `tokenise`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, StructureError
from .chains import Chain, Structure
from .confidence import plddt
from .dssp import tokens_dssp
from .foldseek import tokens_3di
from .fragments import Fragment, join
from .mkdssp import mkdssp_states
from .naming import alphafold_fragment, other_ids, protein_id, twin
from .notices import Failure, Remark
from .structure_files import StructureFile

_N_CA_C = [0, 1, 2]
"""N, CA and C among the backbone atoms."""

_OXYGEN = 4
NO_BACKBONE = "residues without N, CA or C: 3Di and DSSP are masked there"
NO_OXYGEN = "residues without O: DSSP is masked there"


@dataclass(frozen=True)
class Settings:
    """What decides the tokens of a model, beside its coordinates.

    Parameters
    ----------
    source : str
        Where it came from; decides whether B-factors are pLDDT.
    chain : str, optional
        Only the chain of this id.
    mkdssp : str, optional
        The program that assigns DSSP states; mdtraj does by default.
    """

    source: str
    chain: str | None = None
    mkdssp: str | None = None


@dataclass(frozen=True, eq=False)
class ObservedChain:
    """Tokens over the observed residues of a chain.

    Parameters
    ----------
    chain : Chain
        Without its coordinates.
    id : str
        Of its protein, by rule (see `naming`).
    name : str
        File and chain, for errors.
    codes : dict of str to ndarray, shape=(M, L), dtype=uint8
    plddt : ndarray, shape=(L,), dtype=uint8, or None
    complete : bool
        Whether the chain can stand for its protein's sequence (False: fragments are absent).
    aliases : tuple of str
        Further ids its protein may be known under.
    has_twin : bool
        Whether its file has a chain whose name differs in case only.
    remarks : tuple of Remark
        What was decided about it (and, at a file's first chain, about the file).
    """

    chain: Chain
    id: str
    name: str
    codes: dict[str, NDArray[np.uint8]]
    plddt: NDArray[np.uint8] | None
    complete: bool = True
    aliases: tuple[str, ...] = ()
    has_twin: bool = False
    remarks: tuple[Remark, ...] = ()


def observe(files: Sequence[StructureFile], settings: Settings) -> list[ObservedChain | Failure]:
    """Tokenise the protein chains of one model.

    Parameters
    ----------
    files : sequence of StructureFile
        One file, or the fragments of one protein.
    settings : Settings

    Returns
    -------
    list
        One entry a chain; a chain without a backbone is a `Failure`.

    Raises
    ------
    MissingFileError, StructureError
        A file cannot be used at all.
    """
    if len(files) == 1 and (_fragment_number(files[0]) or 1) == 1:
        return observed_chains(files[0].parse(), settings)
    return [_joined(files, settings)]


def observe_or_fail(
    work: tuple[tuple[StructureFile, ...], Settings],
) -> list[ObservedChain | Failure]:
    """As `observe`, but a file that cannot be used is a `Failure`."""
    files, settings = work
    try:
        return observe(files, settings)
    except InputError as problem:
        return [Failure(str(files[0].path), str(problem))]
    except MemoryError:
        path = files[0].path
        return [Failure(str(path), f"'{path}' needs more memory than there is. Leave it out")]


def observed_chains(structure: Structure, settings: Settings) -> list[ObservedChain | Failure]:
    """Tokenise the chains of a structure.

    Raises
    ------
    StructureError
        It has no chain of the wanted name.
    """
    chains, path, chain_id = structure.chains, structure.path, settings.chain
    if chain_id is not None and chain_id not in [chain.id for chain in chains]:
        raise StructureError(
            f"'{path}' has no protein chain '{chain_id}', only "
            f"{', '.join(c.id for c in chains)}. Name one of these with --chain"
        )
    confidences, remarks = plddt(chains, structure.origin, settings.source, path)
    of_file = tuple(remark.of(str(path)) for remark in [*structure.remarks, *remarks])
    try:
        tokens = codes_of(chains, settings.mkdssp)
    except StructureError as problem:
        raise StructureError(f"'{path}' {problem}") from None
    entries: list[ObservedChain | Failure] = []
    for chain, codes, confidence in zip(chains, tokens, confidences, strict=True):
        if chain_id not in (None, chain.id):
            continue
        name = f"{path} chain {chain.id}"
        if not np.isfinite(chain.backbone[:, :, _N_CA_C]).all((2, 3)).any():
            entries.append(Failure(name, _no_backbone(name)))
            continue
        entries.append(
            ObservedChain(
                # Coordinates have served; sending them back would cost more than the tokens.
                chain=replace(chain, backbone=chain.backbone[:0], last=None),
                id=protein_id(path, chain.id, len(chains)),
                name=name,
                codes=codes,
                plddt=confidence,
                aliases=other_ids(path, chain.id, len(chains)),
                has_twin=any(twin(chain.id, sibling.id) for sibling in chains),
                remarks=(*of_file, *_masked(chain, name)),
            )
        )
        of_file = ()
    return entries


def _masked(chain: Chain, name: str) -> list[Remark]:
    """Remarks on residues that lack atoms an alphabet needs."""
    has: NDArray[np.bool_] = np.asarray(np.isfinite(chain.backbone).all((0, 3)))
    complete, with_oxygen = has[:, _N_CA_C].all(1), has[:, [*_N_CA_C, _OXYGEN]].all(1)
    remarks = []
    if not complete.all():
        share = f"{int((~complete).sum())} of {len(chain)}"
        remarks.append(Remark(NO_BACKBONE, share).of(name))
    if (lacking := int((complete & ~with_oxygen).sum())) > 0:
        remarks.append(Remark(NO_OXYGEN, f"{lacking} of {len(chain)}").of(name))
    return remarks


def codes_of(chains: Sequence[Chain], program: str | None) -> list[dict[str, NDArray[np.uint8]]]:
    """Codes [M, L] of each chain of a structure by alphabet, DSSP by mkdssp if it is given."""
    states = mkdssp_states(chains, program) if program else tokens_dssp(chains)
    return [
        {"foldseek": tokens_3di(chain), "dssp": dssp}
        for chain, dssp in zip(chains, states, strict=True)
    ]


def _no_backbone(name: str) -> str:
    return (
        f"{name} has C-alpha atoms only: 3Di needs N, CA and C, and DSSP also O. Rebuild the "
        f"backbone (with PULCHRA or cg2all, for example), or leave the chain out"
    )


def _joined(files: Sequence[StructureFile], settings: Settings) -> ObservedChain:
    fragments, ids, remarks = [], set(), list[Remark]()
    for file in files:
        structure = file.parse()
        origin = structure.origin
        chains = observed_chains(structure, settings)
        if len(chains) != 1 or isinstance(chains[0], Failure):
            raise StructureError(
                f"'{file.path}' is named as a fragment of an AlphaFold DB model, but has "
                f"{len(chains)} chains. Give it another name"
            )
        number = _fragment_number(file) or 1
        fragments.append(Fragment(number, chains[0].chain, chains[0].codes))
        ids.add(chains[0].id)
        remarks += chains[0].remarks
    name = f"{files[0].path} and {len(files) - 1} more fragments"
    chain, codes = join(fragments, name)
    complete = len(chain) == len(chain.sequence or "")
    (confidence,), reasons = plddt([chain], origin, settings.source, files[0].path)
    remarks += [reason.of(name) for reason in reasons]
    return ObservedChain(
        chain, ids.pop(), name, codes, confidence, complete, remarks=tuple(remarks)
    )


def _fragment_number(file: StructureFile) -> int | None:
    fragment = alphafold_fragment(file.path)
    return fragment[1] if fragment else None
