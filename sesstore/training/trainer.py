"""The loop: batches from one stream to every learner, epoch after epoch.

What an interruption must not lose is in one file, written atomically when asked to stop, and every
minute: all learners' weights, optimisers and best weights, and the place in the
plan. Random numbers need no saving, they are drawn from (seed, epoch, batch).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from ..adapter.adapter_config import AdapterConfig
from ..adapter.workers import Workers
from ..errors import StoppedError, TrainingError
from ..progress import Progress, Stage
from ..provenance import circumstances
from ..streaming.batch import Batch
from ..streaming.loader import Loader
from ..streaming.plan import EpochPlan
from .arithmetic import device_name
from .cautions import run_cautions
from .checkpoint import LAST, STATE, load_state, save_state, save_weights
from .evaluate import Evaluation, evaluate_adapter, save_predictions, scores_of
from .fit_config import FitConfig
from .intervals import clearly_better
from .learner import Job, Learner
from .losses import RunningLoss
from .ranks import Ranks
from .runs import Run, task_record
from .stream import Stream

SAVE_EVERY = 60.0
"""Seconds between two saves."""

SHOW_EVERY = 0.5
"""Seconds between two looks at the loss, each of which waits for a GPU to finish its work."""

TOGETHER = 4
"""Adapters whose gradients are computed together: what they hold meanwhile is memory."""


class Trainer:
    """Feeds learners from a stream.

    Parameters
    ----------
    stream : Stream
        Batches.
    shapes : sequence of (AdapterConfig, FitConfig)
        What to train.
    out : path
        Folder for what an interruption leaves.
    workers : Workers
        What computes.
    progress : Progress
        What is told.
    ranks : Ranks
        The processes that train together.
    """

    def __init__(
        self,
        stream: Stream,
        shapes: Sequence[tuple[AdapterConfig, FitConfig]],
        out: Path,
        workers: Workers,
        progress: Progress,
        ranks: Ranks,
    ) -> None:
        self.stream, self.shapes, self.out = stream, shapes, out
        self.workers, self.progress, self.ranks = workers, progress, ranks
        self.learners = [
            Learner(
                stream.task, a, c, stream.device, stream.start() if a.head == "linear" else None
            )
            for a, c in shapes
        ]
        self.on_check: Callable[[int, dict[str, Any]], None] = lambda place, entry: None
        """Called with a learner's place and record after it was scored on valid."""
        self.epochs = max(config.last_epoch for _, config in shapes)
        self.epoch, self.next_batch = 1, 0
        self.losses = RunningLoss(len(shapes), stream.device)
        """Since each learner's last check."""
        self.clock = {"seconds": 0.0, "waited": 0.0, "residues": 0.0, "before": 0.0}
        self.marks = [dict(self.clock) for _ in shapes]
        """The clock at each learner's last check."""
        self.start_time = self.saved = time.perf_counter()
        self.last_display = self.began = 0.0

    def run(self, stop: Callable[[], object]) -> None:
        """Train until every learner is finished."""
        data = self.stream.data["train"]
        total = int(data.lengths.sum()) * (self.epochs - self.epoch + 1)
        with self.progress.stage("training", total, "residues") as bar:
            self._check_start()
            while self.epoch <= self.epochs and self._active():
                self._train_epoch(bar, stop)
                self._end_epoch(bar)
        self.save()  # writing runs may be interrupted, too

    def finish(self, folders: Sequence[Path]) -> list[Run]:
        """Score each learner's best epoch, write the runs, remove what resuming needed."""
        runs = [
            self._write(learner, shape, folder)
            for learner, shape, folder in zip(self.learners, self.shapes, folders, strict=True)
        ]
        if self.ranks.rank == 0:
            (self.out / STATE).unlink(missing_ok=True)
        return runs

    def save(self) -> None:
        """Write all that resuming needs, in one step."""
        self.saved = time.perf_counter()
        if self.ranks.rank:
            return
        facts = {
            "settings": self._settings(),
            "epoch": self.epoch,
            "next_batch": self.next_batch,
            "losses": self.losses.fetch().tolist(),
            "blockwise": self.stream.blockwise,
            "clock": {**self.clock, "before": self._elapsed()},
            "marks": self.marks,
            "learners": [learner.facts() for learner in self.learners],
        }
        tensors = {
            f"{i}/{name}": tensor
            for i, learner in enumerate(self.learners)
            for name, tensor in learner.tensors()
        }
        self.out.mkdir(parents=True, exist_ok=True)
        save_state(self.out / STATE, tensors, facts)

    def resume(self) -> None:
        """Go on from what `save` wrote, if there is any; raises `InputError` if it does not fit."""
        if not (self.out / STATE).is_file():
            return
        tensors, facts = load_state(self.out / STATE, self._settings())
        for i, learner in enumerate(self.learners):
            learner_tensors = {
                n.partition("/")[2]: t for n, t in tensors.items() if n.startswith(f"{i}/")
            }
            learner.restore(learner_tensors, facts["learners"][i])
        self.epoch, self.next_batch = facts["epoch"], facts["next_batch"]
        self.stream.blockwise = facts["blockwise"]
        self.losses.restore(facts["losses"])
        self.marks = facts["marks"]
        self.clock |= facts["clock"]
        self.progress.note(f"going on at epoch {self.epoch}, batch {self.next_batch + 1}")

    def _active(self) -> list[Learner]:
        return [learner for learner in self.learners if not learner.is_finished]

    def _train_epoch(self, bar: Stage, stop: Callable[[], object]) -> None:
        data, plan = self.stream.data["train"], self.stream.plan(self.epoch)
        batches_of_rank = self.ranks.share(plan, data.lengths)
        remaining = [rows for rows in batches_of_rank[self.next_batch :] if len(rows)]
        loader = Loader(data, remaining, self.stream.device)
        self.began, wait_before = time.perf_counter() - self.clock["seconds"], self.clock["waited"]
        with closing(iter(loader)) as batches:
            while self.next_batch < len(plan.batches):
                self._step(next(batches) if len(batches_of_rank[self.next_batch]) else None, plan)
                residues = int(data.lengths[plan.batches[self.next_batch - 1]].sum())
                bar.advance(residues)
                self.clock["residues"] += residues
                self.clock["seconds"] = time.perf_counter() - self.began
                self.clock["waited"] = wait_before + loader.wait_seconds
                self._show(bar)
                self._save_in_time(stop)

    def _step(self, batch: Batch | None, plan: EpochPlan) -> None:
        """Feed a batch to the learners, some at a time, so that no core waits for another."""
        place, of = (self.epoch, self.next_batch), len(plan.batches)
        rows = len(plan.batches[self.next_batch])
        active = [i for i, learner in enumerate(self.learners) if not learner.is_finished]
        for first in range(0, len(active), TOGETHER):
            jobs_by_learner = {
                i: self.learners[i].jobs(batch, *place, self.ranks)
                for i in active[first : first + TOGETHER]
            }
            jobs = {
                i: learner_jobs
                for i, learner_jobs in jobs_by_learner.items()
                if learner_jobs is not None
            }
            all_jobs = [job for learner_jobs in jobs.values() for job in learner_jobs]
            outcomes = iter(self.workers.map(Job.run, all_jobs, Job.cost))
            for i, learner_jobs in jobs.items():
                gradients = [next(outcomes) for _ in learner_jobs]
                loss = self.learners[i].finish(gradients, *place, of, self.ranks)
                self.losses.add(i, loss, rows)
        self.next_batch += 1

    def _save_in_time(self, stop: Callable[[], object]) -> None:
        if self.ranks.total(float(bool(stop()))):
            self.save()
            raise StoppedError(
                f"stopped in epoch {self.epoch}, after batch {self.next_batch}; all is saved in "
                f"'{self.out}'"
            )
        if time.perf_counter() - self.saved > SAVE_EVERY:
            self.save()

    def _end_epoch(self, bar: Stage) -> None:
        """Score the learners whose check is due."""
        due = [
            place
            for place, learner in enumerate(self.learners)
            if not learner.is_finished and learner.config.checked(self.epoch)
        ]
        losses = self._losses(due)
        for place in due:
            self._check(place, self.epoch, losses[place], self._since(self.marks[place]))
        if due:
            self._say_check(bar, due)
        self.losses.clear(due)
        for place in due:
            self.marks[place] = dict(self.clock)
        self.epoch, self.next_batch = self.epoch + 1, 0
        if time.perf_counter() - self.saved > SAVE_EVERY:
            self.save()

    def _losses(self, places: Sequence[int]) -> dict[int, float]:
        """Mean loss of some learners since their last check; waits for what they compute.

        Raises
        ------
        TrainingError
            One is not finite.
        """
        if not places:
            return {}
        sums = self.losses.fetch()
        self.clock["seconds"] = time.perf_counter() - self.began
        for place in places:
            if not math.isfinite(sums[place, 0]):
                raise TrainingError(
                    f"the loss of epoch {self.epoch} is not finite. Lower the learning rate: "
                    f"--lr {self.learners[place].pace.lr / 10:g}"
                )
        return {place: sums[place, 0] / max(sums[place, 1], 1) for place in places}

    def _check_start(self) -> None:
        """Score the linear term alone: what learning does not improve on valid is not kept."""
        data = self.stream.data["train"]
        if data.offset is None:
            return
        labels = data.all_labels()
        for place, learner in enumerate(self.learners):
            if learner.history or self.shapes[place][0].head != "linear":
                continue
            loss = learner.loss.total(data.offset, labels) / learner.loss.weight(labels)
            self._check(place, 0, float(loss), self._since(self.clock))

    def _check(self, place: int, epoch: int, loss: float, past: dict[str, float]) -> None:
        """Score a learner on valid; `past` is what the clock counted since its last check."""
        learner, seconds = self.learners[place], past["seconds"]
        entry: dict[str, Any] = {
            "epoch": epoch,
            "loss": loss,
            "seconds": seconds,
            "tokens_per_second": past["residues"] / seconds if seconds else 0.0,
            "wait_share": past["waited"] / seconds if seconds else 0.0,
            "valid": self._score(learner, "valid").metrics if self.stream.valid else {},
        }
        learner.check(entry)
        self.on_check(place, entry)

    def _since(self, mark: dict[str, float]) -> dict[str, float]:
        """What the clock counted since it stood at `mark`."""
        return {name: value - mark[name] for name, value in self.clock.items()}

    def _say_check(self, bar: Stage, due: Sequence[int]) -> None:
        """Say what the learners that were scored came to."""
        monitor = self.stream.task.monitor
        entries = [self.learners[place].history[-1] for place in due]
        loss = sum(entry["loss"] for entry in entries) / len(entries)
        figures = self._figures(loss, self.marks[due[0]])
        if not self.stream.valid:
            bar.row(**figures)
            return
        values = [entry["valid"][monitor] for entry in entries]
        value = f"{sum(values) / len(values):.4f}"
        if len(values) > 1:
            value += f" ({min(values):.4f} to {max(values):.4f})"
        elif entries[0]["best"]:
            value += " best"
        bar.row(**figures, **{f"valid {monitor}": value})

    def _show(self, bar: Stage) -> None:
        """Say how training is getting on since the last check, but not at every step."""
        if time.perf_counter() - self.last_display < SHOW_EVERY:
            return
        self.last_display = time.perf_counter()
        active = [place for place, learner in enumerate(self.learners) if not learner.is_finished]
        losses = self._losses(active)
        bar.show(**self._figures(fmean(losses.values()), self.marks[active[0]]))

    def _figures(self, loss: float, mark: dict[str, float]) -> dict[str, str]:
        """Figures since the clock stood at `mark`."""
        past = self._since(mark)
        return {
            "epoch": f"{self.epoch}/{self.epochs}",
            "seconds": f"{past['seconds']:.1f}",
            "residues/s": f"{past['residues'] / past['seconds']:,.0f}",
            "wait": f"{past['waited'] / past['seconds']:.1%}",
            "loss": f"{loss:.4f}",
        }

    def _score(self, learner: Learner, split: str) -> Evaluation:
        rows, data = self.stream.task.split(split), self.stream.data[split]
        return evaluate_adapter(
            learner.adapter,
            self.stream.task,
            rows,
            data,
            learner.loss.scale,
            self.workers,
            ranks=self.ranks,
        )

    def _write(self, learner: Learner, shape: tuple[AdapterConfig, FitConfig], folder: Path) -> Run:
        if not learner.best_weights:
            raise TrainingError(
                f"{learner.monitor} on valid was never a number: too few rows, or one class only"
            )
        term = self.stream.term if shape[0].head == "linear" else None
        last = {name: t.clone() for name, t in learner.adapter.state_dict().items()}
        learner.adapter.load_state_dict(learner.best_weights)
        splits: list[str] = [split for split in ("valid", "test") if split in self.stream.data]
        scored = {split: self._score(learner, split) for split in splits[:1]}
        if (
            term is not None
            and self.stream.valid
            and not self._beats_term(learner, scored["valid"])
        ):
            learner.keep_start()
            learner.adapter.load_state_dict(learner.best_weights)
            scored = {}
        scored |= {split: self._score(learner, split) for split in splits if split not in scored}
        predicted = {split: evaluation.predicted for split, evaluation in scored.items()}
        run = Run(
            path=folder,
            task=task_record(self.stream.task),
            config={"adapter": asdict(shape[0]), "fit": asdict(shape[1])},
            fingerprint=self.stream.fingerprint,
            source=self.stream.source if shape[0].alphabets else None,
            coverage={
                n: data.coverage.of(shape[0].alphabets) for n, data in self.stream.data.items()
            },
            metrics={split: evaluation.metrics for split, evaluation in scored.items()},
            history=learner.history,
            timings=self._timings(learner),
            scale=learner.loss.scale,
            circumstances={
                **circumstances("torch", "numpy", "zarr"),
                "device": device_name(self.stream.device),
            },
            cautions=run_cautions(self.stream.task, predicted, learner.history, learner.config),
            linear=term.to_json() if term else {},
        )
        if self.ranks.rank:
            return run
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(run, learner.best_weights)
        save_weights(run, last, LAST)
        if term:
            term.save(run)
        for split, predictions in predicted.items():
            save_predictions(run, split, predictions)
        run.save()
        return run

    def _beats_term(self, learner: Learner, best: Evaluation) -> bool:
        """Whether valid can tell the best weights from the linear term alone, and they win.

        `best` is what the best weights are on valid.
        """
        task, data = self.stream.task, self.stream.data["valid"]
        if data.offset is None:
            return True
        scores = scores_of(data.offset, task.problem, learner.loss.scale)
        alone = replace(best.predicted, scores=scores)
        return clearly_better(task.monitor, task.problem, best.predicted, alone)

    def _timings(self, learner: Learner) -> dict[str, float]:
        seconds = [entry["seconds"] for entry in learner.history]
        wait = sum(entry["wait_share"] * entry["seconds"] for entry in learner.history)
        return {
            "total": self._elapsed(),
            "seconds_per_epoch": sum(seconds) / max(learner.history[-1]["epoch"], 1),
            "tokens_per_second": max(entry["tokens_per_second"] for entry in learner.history),
            "wait_share": wait / max(sum(seconds), 1e-9),
            "adapters_on_the_stream": float(len(self.learners)),
        }

    def _elapsed(self) -> float:
        return self.clock["before"] + time.perf_counter() - self.start_time

    def _settings(self) -> dict[str, Any]:
        """What must be equal to go on: settings, data, encoder and source."""
        return {
            "shapes": [[asdict(adapter), asdict(config)] for adapter, config in self.shapes],
            "data": self.stream.task.data_digest,
            "encoder": self.stream.fingerprint.digest,
            "source": self.stream.source,
        }
