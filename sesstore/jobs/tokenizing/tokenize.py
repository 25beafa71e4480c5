"""Tokenise structures into a store.

A chain's protein is, in this order: the sequence given for its id, the one sequence the store knows
under its id, the structure's own (SEQRES, or what is resolved). So structures of a task's proteins
land on the task's sequences, and any other structure brings its sequence along.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ...errors import StoppedError
from ...progress import SILENT, Progress
from ...proteins import Protein
from ...store import Store
from ...structures.structure_files import StructureFile, models, structure_files
from ...structures.tokenise import Ordered, TokenisedModel, tokenise_many, tokenise_trajectory, tool
from ...structures.trajectory import Trajectory
from ..signals import stop_requests
from .filerecords import identity
from .token_report import TokenReport
from .token_run import TokenRun


def tokenize(
    store: Store,
    paths: Sequence[Path | StructureFile],
    source: str,
    *,
    chain: str | None = None,
    sequences: Iterable[Protein] = (),
    dssp: str = "mdtraj",
    workers: int | None = None,
    over: Ordered | None = None,
    progress: Progress = SILENT,
) -> TokenReport:
    """Tokenise structure files, folders and tar files into a store.

    What an earlier run has done with the same files and tools is not done again.

    Parameters
    ----------
    store : Store
        Tokens go to its token store of `source`; proteins it does not know are added.
    paths : sequence of path or StructureFile
        Files, folders, or tar files.
    source : str
        Where the structures come from, such as ``"alphafold2"``.
    chain : str, optional
        Take only the chain of this name.
    sequences : iterable of Protein
        Sequences to align to, by id.
    dssp : str
        What assigns DSSP states: ``"mdtraj"`` or the installed program ``"mkdssp"``.
    workers : int, optional
        Processes; one a core by default.
    over : callable, optional
        Does the work elsewhere, such as on a cluster (`cluster.ray_map`).
    progress : Progress
        Told about structures as they are done.

    Returns
    -------
    TokenReport
        ``failed`` says what could not be used and why; the rest is stored all the same.

    Raises
    ------
    MissingFileError
        A path does not exist, or a folder holds no structure; or mkdssp is not installed.
    StoppedError
        A signal came; everything tokenised so far is stored.
    """
    all_models = models(structure_files(paths))
    run = TokenRun(store, source, (tool(dssp), chain), sequences)
    with run.measured(), stop_requests() as stop:
        todo = [model for model in all_models if not run.has(model)]
        if run.report.already_stored:
            progress.note(
                f"{run.report.already_stored:,} of {sum(map(len, all_models)):,} structures were "
                f"tokenised before; they are not done again"
            )
        if todo:
            results = tokenise_many(
                todo,
                source=source,
                chain=chain,
                sequences=run.names,
                dssp=dssp,
                workers=workers,
                over=over,
            )
            with progress.stage("tokenising", sum(map(len, todo)), "structures") as bar:
                for model in results:
                    run.add(model, len(model.files), model.files[0].path)
                    bar.advance(len(model.files))
                    if stop:
                        break
    if stop:
        raise StoppedError(
            f"stopped by {stop.signal}: {run.report.chains:,} chains are stored. Run the same "
            f"command again to go on from there"
        )
    return run.report


def tokenize_trajectory(
    store: Store,
    trajectory: Trajectory,
    source: str,
    *,
    chain: str | None = None,
    sequences: Iterable[Protein] = (),
    dssp: str = "mdtraj",
    progress: Progress = SILENT,
) -> TokenReport:
    """Tokenise the frames of a trajectory into a store, as conformers of its proteins.

    Parameters as in `tokenize`.

    Raises
    ------
    MissingFileError
        A file does not exist, or mkdssp is not installed.
    StructureError
        Trajectory or topology cannot be used.
    """
    file = StructureFile(trajectory.path)
    topology = identity(StructureFile(trajectory.topology)) if trajectory.topology else None
    settings = (tool(dssp), chain, topology, trajectory.stride)
    run = TokenRun(store, source, settings, sequences)
    with run.measured(), progress.stage("tokenising", 1, "trajectories") as bar:
        if run.has((file,)):
            progress.note(f"'{trajectory.path}' was tokenised before; it is not done again")
        else:
            model: TokenisedModel = tokenise_trajectory(
                trajectory, source=source, chain=chain, sequences=run.names, dssp=dssp
            )
            run.add(model, 1, trajectory.path)
        bar.advance()
    return run.report
