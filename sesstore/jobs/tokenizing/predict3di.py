"""Structure tokens where there is no structure: 3Di predicted from sequence by ProstT5.

What ProstT5 embeds stays in the store like any encoder's output, so its embeddings can be trained
on as well, and predicting again costs a convolution.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...batches import batches
from ...encoders.base import Encoder
from ...encoders.threedi import ThreeDiHead
from ...errors import InputError
from ...progress import SILENT, Progress
from ...proteins import Protein
from ...provenance import circumstances
from ...residues import StructureTokens
from ...store import Embeddings, Store
from ..embedding.embed import embed
from .token_report import TokenReport

SOURCE, ENCODER = "prostt5", "prostt5"

_STORED_AT_ONCE = 4096
"""Proteins whose states are stored in one transaction."""


def predict_3di(
    store: Store,
    proteins: Sequence[Protein],
    encoder: Encoder,
    head: Path,
    *,
    source: str = SOURCE,
    progress: Progress = SILENT,
) -> TokenReport:
    """Predict 3Di tokens of proteins and store them.

    Parameters
    ----------
    store : Store
        Embeddings, and tokens of `source`, go here. Proteins that have tokens of it are left.
    proteins : sequence of Protein
        Any; each sequence once.
    encoder : Encoder
        ProstT5, see `registry.load`.
    head : path
        See `ThreeDiHead`.
    source : str
        Name of the token store.

    Returns
    -------
    TokenReport
        ``structures`` counts proteins; ``failed`` those that could not be embedded.

    Raises
    ------
    InputError
        The encoder is not ProstT5.
    MissingFileError, WeightsError
        The head is absent or another file.
    """
    if encoder.name != ENCODER:
        raise InputError(f"3Di is predicted from embeddings by prostt5, not by {encoder.name}")
    began = time.perf_counter()
    model = ThreeDiHead(head)
    stored = store.tokens(source) if source in store.sources() else None
    unique = list({p.digest: p for p in proteins}.values())
    todo = [p for p in unique if stored is None or p.digest not in stored]
    report = TokenReport(source, structures=len(unique), already_stored=len(unique) - len(todo))
    if todo:
        report.failed = embed(store, encoder, todo, progress=progress).failed
        view = store.embeddings(encoder.fingerprint)
        embedded = [p for p in todo if p.digest in view]
        with progress.stage("predicting 3Di", sum(map(len, embedded)), "residues") as bar:
            for part in batches(embedded, _STORED_AT_ONCE):
                store.add_tokens(_tokens(part, view, model, source), circumstances("torch"))
                bar.advance(sum(map(len, part)))
        report.chains, report.residues = len(embedded), sum(map(len, embedded))
        report.proteins = embedded
    report.coverage = 1.0
    report.seconds = time.perf_counter() - began
    return report


def _tokens(
    proteins: Sequence[Protein], view: Embeddings, head: ThreeDiHead, source: str
) -> Iterator[StructureTokens]:
    tool = f"ProstT5 CNN head {head.sha256[:12]} on {view.provenance.fingerprint.short}"
    for protein in proteins:
        codes = {"foldseek": head(view.get(protein.digest))}
        yield StructureTokens(protein.digest, source, codes, tool=tool)
