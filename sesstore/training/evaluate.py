"""Predictions of an adapter, and how good they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from safetensors.torch import load, save
from torch import Tensor

from ..adapter.model import Adapter
from ..adapter.workers import PART, Workers, workers
from ..encoders.devices import choose_device
from ..errors import FingerprintMismatchError, InputError, MissingFileError
from ..progress import SILENT, Progress
from ..store import Embeddings
from ..store.atomic_files import replace_file
from ..streaming.batch import Batch
from ..streaming.composition import Compositions
from ..streaming.loader import Loader
from ..streaming.plan import plan_in_order
from ..streaming.reader import EmbeddingRows, SplitData, is_labelled
from ..streaming.splittokens import TokenRows
from ..tasks import Problem, Split, Task
from .arithmetic import mixed_precision, reproducible
from .checkpoint import load_adapter
from .intervals import Predicted
from .linearterm import load_term, term_of
from .metrics import compute
from .ranks import ALONE, Ranks
from .runs import Run

EVALUATION_TOKENS = 16384
"""Residues of a batch without gradients."""

FETCHED = 1 << 24
"""Scores that may lie on a device before they are fetched: 64 MB."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Predictions on labelled rows.

    Parameters
    ----------
    metrics : dict of str to float
        Over all rows.
    ids : tuple of str
        Of the rows.
    scores : Tensor
        Probabilities [N, C] or values [N]; for residue problems of all labelled residues.
    labels : Tensor
        What is true, alike.
    rows : Tensor
        Row of the split that each score is of.
    """

    metrics: dict[str, float]
    ids: tuple[str, ...]
    scores: Tensor
    labels: Tensor
    rows: Tensor

    @property
    def predicted(self) -> Predicted:
        """What intervals and comparisons take of it."""
        return Predicted(self.scores, self.labels, self.rows)


def split_data(
    task: Task,
    split: Split,
    embeddings: EmbeddingRows,
    tokens: TokenRows | None,
    alphabets: Sequence[str],
    min_plddt: int,
) -> SplitData:
    """Rows of a split of a task, with labels."""
    return SplitData(
        embeddings,
        tokens,
        split.digests,
        alphabets=alphabets,
        labels=split.labels,
        problem=task.problem,
        n_classes=task.n_outputs,
        min_plddt=min_plddt,
    )


def predict_scores(
    adapter: Adapter,
    data: SplitData,
    problem: Problem,
    scale: Mapping[str, float],
    pool: Workers,
    progress: Progress = SILENT,
    ranks: Ranks = ALONE,
) -> list[Tensor]:
    """Predict for all rows, in their order.

    Parameters
    ----------
    adapter : Adapter
        Is put into evaluation mode.
    data : SplitData
        Rows.
    problem : Problem
        Decides what logits become.
    scale : mapping
        ``mean`` and ``std`` regression was standardised with.
    pool : Workers
        What computes.
    ranks : Ranks
        Processes that share the rows; each gets all predictions.

    Returns
    -------
    list of Tensor, length N
        For each row probabilities [C] or a value [], for residue problems [L, C] or [L].
    """
    device = adapter.norm.weight.device
    adapter.eval()

    def scores(part: Batch) -> Tensor:
        with torch.inference_mode(), mixed_precision(device):
            return scores_of(adapter(part).float(), problem, scale)

    plan = plan_in_order(data.lengths, EVALUATION_TOKENS)
    batches = [rows for rows in ranks.share(plan, data.lengths) if len(rows)]
    fetched = _Fetched(problem.per_residue)
    with progress.stage("predicting", int(data.lengths.sum()), "residues") as bar:
        for batch in Loader(data, batches, device):
            budget = PART if device.type == "cpu" else EVALUATION_TOKENS
            fetched.add(batch, pool.map(scores, batch.parts(budget, problem.per_residue)))
            bar.advance(len(batch.values))
        merged = ranks.merged(fetched.rows())
    return [merged[row] for row in range(len(data))]


class _Fetched:
    """Scores of rows as they come, fetched from the device many batches at a time.

    Each fetching waits until the device has finished what it was given.
    """

    def __init__(self, per_residue: bool) -> None:
        self._per_residue = per_residue
        self._rows: dict[int, Tensor] = {}
        self._pending: list[Tensor] = []
        self._index: list[int] = []
        self._sizes: list[int] = []

    def add(self, batch: Batch, scores: Sequence[Tensor]) -> None:
        """Take the scores of a batch, part by part."""
        self._pending += scores
        self._index += batch.index.tolist()
        self._sizes += batch.lengths if self._per_residue else (1,) * len(batch.lengths)
        if sum(part.numel() for part in self._pending) > FETCHED:
            self._fetch()

    def rows(self) -> dict[int, Tensor]:
        """Return all scores by row, on the host."""
        self._fetch()
        return self._rows

    def _fetch(self) -> None:
        if not self._index:
            return
        parts = torch.split(torch.cat(self._pending).cpu(), self._sizes)
        rows = parts if self._per_residue else [part[0] for part in parts]
        self._rows.update(zip(self._index, rows, strict=True))
        self._pending, self._index, self._sizes = [], [], []


def evaluate_adapter(
    adapter: Adapter,
    task: Task,
    split: Split,
    data: SplitData,
    scale: Mapping[str, float],
    pool: Workers,
    progress: Progress = SILENT,
    ranks: Ranks = ALONE,
) -> Evaluation:
    """Score an adapter on the rows of a split."""
    predicted = predict_scores(adapter, data, task.problem, scale, pool, progress, ranks)
    scores = torch.cat(predicted) if task.problem.per_residue else torch.stack(predicted)
    labels, rows = data.all_labels(), torch.arange(len(split))
    if task.problem.per_residue:
        labelled = is_labelled(labels)
        rows = rows.repeat_interleave(torch.from_numpy(data.lengths))
        scores, labels, rows = scores[labelled], labels[labelled], rows[labelled]
    metrics = compute(task.measures, task.problem, scores, labels)
    return Evaluation(metrics, split.ids, scores, labels, rows)


def evaluate(
    run: Run,
    task: Task,
    split: str,
    embeddings: Embeddings,
    tokens: TokenRows | None,
    *,
    compositions: Compositions | None = None,
    device: str | None = None,
    progress: Progress = SILENT,
) -> Evaluation:
    """Score a trained run on a split of a task.

    On the device it was trained on that gives the run's own numbers: the arithmetic is the same.

    Parameters
    ----------
    run : Run
        Trained on embeddings by the same encoder.
    task : Task
        The run's task, or another with the same problem and classes.
    split : str
        Which of its splits.
    embeddings : Embeddings
        The store's view.
    tokens : TokenRows or None
        Of the run's source.
    compositions : Compositions, optional
        Of the proteins; a run with a linear term needs them.
    device : str or None
        As `FitConfig.device`.

    Raises
    ------
    FingerprintMismatchError
        The embeddings are another encoder's.
    InputError
        The task is not of the kind the run was trained for, or there is no such device.
    """
    check_encoder(run, embeddings)
    if (run.task["problem"], len(run.task["classes"])) != (str(task.problem), len(task.classes)):
        raise InputError(
            f"the run predicts {run.task['problem']} with {len(run.task['classes'])} classes; "
            f"task '{task.name}' is {task.problem} with {len(task.classes)}"
        )
    rows, term = task.split(split), load_term(run)
    target_device = choose_device(device)
    adapter = load_adapter(run, target_device)
    shape, min_plddt = adapter.config, run.config["fit"]["min_plddt"]
    data = split_data(task, rows, embeddings, tokens, shape.alphabets, min_plddt)
    with reproducible(target_device, progress), workers(target_device) as pool:
        data.offset = term_of(term, data, compositions)
        return evaluate_adapter(adapter, task, rows, data, run.scale, pool, progress)


def save_predictions(run: Run, split: str, predicted: Predicted) -> None:
    """Write what was predicted on a split beside the run's record, for intervals and figures."""
    tensors = {
        name: value.contiguous() for name, value in vars(predicted).items() if value is not None
    }
    replace_file(run.path / f"{split}.safetensors", save(tensors))


def load_predictions(run: Run, split: str) -> Predicted:
    """What a run predicted on a split, as `save_predictions` wrote it.

    Raises
    ------
    MissingFileError
        The run has none of that split.
    """
    file = run.path / f"{split}.safetensors"
    if not file.is_file():
        raise MissingFileError(f"the run has no predictions on {split}: there is no '{file}'")
    tensors = load(file.read_bytes())
    return Predicted(**tensors)


def check_encoder(run: Run, embeddings: EmbeddingRows) -> None:
    """Raise `FingerprintMismatchError` unless a run was trained on this encoder's embeddings."""
    try:
        run.fingerprint.check_same(embeddings.provenance.fingerprint)
    except FingerprintMismatchError as problem:
        raise FingerprintMismatchError(f"run and embeddings: {problem}") from None


def scores_of(logits: Tensor, problem: Problem, scale: Mapping[str, float]) -> Tensor:
    """Probabilities, or values in original units, from logits."""
    if problem.is_regression:
        return logits[:, 0] * scale["std"] + scale["mean"]
    if problem is Problem.MULTI_LABEL:
        return logits.sigmoid()
    return logits.softmax(-1)
