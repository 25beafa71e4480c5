"""``sesstore study``: a command for each question."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .beside import baselines_option, say_cautions
from .options import (
    device_option,
    encoder_option,
    layers_option,
    output_options,
    plm_option,
    several,
    store_option,
    weights_option,
    writable,
)
from .output import Output, duration
from .setting_options import setting_options
from .stores import store_with

if TYPE_CHECKING:
    from sesstore.studies.study_record import StudyReport

LEARNING = ("epochs", "patience", "batch_tokens", "lr", "seed")


@click.group("study")
def command() -> None:
    """Ask a question of a task: one table, one figure, many seeds on one stream.

    A study writes study.json, table.csv, figure.svg and .png and study.html into its folder. An
    interrupted one goes on with --resume --out DIR. With --json it prints its record.

    \b
    Example:
      sesstore study ablation deeploc_binary --seeds 5
      sesstore study quality deeploc_binary --source alphafold2,esmfold
    """


def _study(
    run: Callable[..., StudyReport], plm_option: Callable[..., Any] = plm_option
) -> click.Command:
    """Add the options all studies have; hand `run` store, settings, place and its own options."""

    @click.argument("task")
    @plm_option
    @click.option(
        "--source",
        callback=several(str),
        help="Sources of structures, the one to degrade first [default: all of the task].",
    )
    @click.option("--seeds", type=click.IntRange(1), default=5, show_default=True, help="Of each.")
    @setting_options(*LEARNING)
    @device_option
    @baselines_option
    @click.option(
        "--out", type=click.Path(path_type=Path), callback=writable, help="Folder for the study."
    )
    @click.option("--resume", is_flag=True, help="Go on with an interrupted study in --out.")
    @store_option
    @output_options
    @wraps(run)
    def with_all(
        task: str,
        plm: str | None,
        source: tuple[str, ...] | None,
        seeds: int,
        out: Path | None,
        resume: bool,
        baselines: bool,
        store_path: Path,
        output: Output,
        **options: Any,
    ) -> None:
        from sesstore.jobs.inputs import check_study

        store = store_with(store_path, task, plm, output)
        check_study(store, task, plm=plm, sources=source or ())

        # These import torch, which takes seconds: a wrong name is known before.
        from sesstore.studies.study_settings import Place, StudySettings
        from sesstore.training.fit_config import FitConfig

        fit = FitConfig(**{name: options.pop(name) for name in (*LEARNING, "device")})
        shape = {str(name): options.pop(name) for name in ("heads", "width") if name in options}
        adapter = {name: value for name, value in shape.items() if value is not None}
        settings = StudySettings(task, plm, source or (), seeds, adapter, fit)
        study_options = {name: value for name, value in options.items() if value is not None}
        say(run(store, settings, Place(out, resume, output, baselines), **study_options), output)

    return command.command(run.__name__)(with_all)


def say(report: StudyReport, output: Output) -> None:
    """Say the table, what was found, what could not be, and where the files are."""
    from sesstore.training.runs import Caution

    columns, rows = report.table()
    seeds = "" if report.method else f": {report.settings['seeds']} seeds"
    output.table(columns, [_cells(row) for row in rows], f"{report.task}{seeds}")
    for sentence in report.findings:
        output.line(sentence)
    say_cautions([Caution(**caution) for caution in report.cautions], output)
    for sentence in report.missing:
        output.line(f"not answered: {sentence}")
    output.line(f"{duration(report.seconds)}; table, figure and page: {report.run}")
    output.result(report.to_json())


def _cells(row: list[Any]) -> list[Any]:
    return [f"{v:.4f}" if isinstance(v, float) and abs(v) < 100 else v for v in row]


@_study
@setting_options("heads", "width")
@click.option(
    "--pooling", "poolings", callback=several(str), help="Of attention1d, mean, light_attention."
)
@click.option(
    "--controls",
    callback=several(str),
    help="Of masked, shuffled, constant: tokens to hold real ones against "
    "[default: masked,shuffled].",
)
@click.option(
    "--alone/--no-alone",
    default=True,
    help="Train with each kind of tokens alone, too.  [default: alone]",
)
def ablation(*context: Any, **options: Any) -> StudyReport:
    """Does structure help, and which? None, foldseek, dssp, both; per source and pooling.

    An adapter with tokens has layers that one without lacks, so real tokens are held against the
    same adapter on masked ones, and on each protein's tokens in another order.

    \b
    Example:
      sesstore study ablation deeploc_binary --pooling attention1d,mean
    """
    from sesstore.studies import ablation as study

    return study.run(*context, **options)


@_study
@click.option("--heads", "heads_tried", callback=several(int), help="Such as 1,4,8.")
@click.option("--widths", callback=several(int), help="Such as 16,32,64,128,256.")
def size(*context: Any, **options: Any) -> StudyReport:
    """How small may the adapter be? The smallest within 0.5 % of the best.

    \b
    Example:
      sesstore study size deeploc_binary --heads 1,4,8 --widths 32,64,128
    """
    from sesstore.studies import size as study

    if heads := options.pop("heads_tried", None):
        options["heads"] = heads
    return study.run(*context, **options)


@_study
@setting_options("heads", "width")
@click.option("--noise", callback=several(float), help="Shares of tokens replaced, such as 0.1,1.")
@click.option("--when", callback=several(str), help="Degrade at test, train, or both: test,train.")
@click.option(
    "--structures",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Files or folder of the first source's structures, for noise on coordinates.",
)
@click.option(
    "--angstrom", callback=several(float), help="Deviations of that noise, such as 0.5,1."
)
@click.option("--min-plddt", callback=several(int), help="Thresholds to mask under, such as 50,70.")
def quality(*context: Any, noise: Any = None, min_plddt: Any = None, **options: Any) -> StudyReport:
    """How good must a structure be? Sources against each other, and tokens made worse.

    \b
    Example:
      sesstore study quality deeploc_binary --source alphafold2,esmfold --noise 0.1,0.5,1
    """
    from sesstore.studies import quality as study

    settings = {"rates": noise, "plddt": min_plddt, **options}
    degrading = {name: value for name, value in settings.items() if value is not None}
    return study.run(*context, degrading=study.Degrading(**degrading))


@_study
@setting_options("heads", "width")
def ensemble(*context: Any, **options: Any) -> StudyReport:
    """Do several conformers of a protein help more than one?

    \b
    Example:
      sesstore study ensemble mytask --source md
    """
    from sesstore.studies import ensemble as study

    return study.run(*context, **options)


@_study
@setting_options("heads", "width")
@click.option("--plms", callback=several(str), help="Encoders; all of the store by default.")
@click.option("--widths", callback=several(int), help="Such as 32,128.")
def scaling(*context: Any, **options: Any) -> StudyReport:
    """What buys more, a larger PLM or a wider adapter? Score, time and bytes.

    \b
    Example:
      sesstore study scaling deeploc_binary --plms esm2_t12,esm2_t33 --widths 64,256
    """
    from sesstore.studies import scaling as study

    return study.run(*context, **options)


def _of_layers(run: Callable[..., StudyReport]) -> click.Command:
    """As `_study`, with ``--layer`` for several."""
    return _study(run, encoder_option)


@_of_layers
@setting_options("heads", "width")
@layers_option
@weights_option
@click.option(
    "--probe-proteins",
    type=click.IntRange(30),
    metavar="N",
    help="Embed a sample of N of the task's rows, in memory, and store nothing.",
)
@click.option("--adapter", is_flag=True, help="Train an adapter on each layer, too.")
def layers(*context: Any, **options: Any) -> StudyReport:
    """Which layer is best for this task? A linear probe on each, chosen on valid, told on test.

    Stored layers by default; those that --layer names are embedded first. With --probe-proteins a
    sample is embedded by all layers, or those named, so that nobody fills a disk to find out.

    \b
    Example:
      sesstore study layers deeploc_binary --plm esm2_t12 --probe-proteins 500
      sesstore study layers deeploc_binary --plm esm2_t12 --layer 3,6,9,last --adapter
    """
    from sesstore.studies import layers as study

    return study.run(*context, options=study.LayerOptions(**options))


@_study
@setting_options("heads", "width")
def convergence(*context: Any, **options: Any) -> StudyReport:
    """How many epochs does structure save? Constant learning rate, no early stopping.

    \b
    Example:
      sesstore study convergence deeploc_binary --epochs 20
    """
    from sesstore.studies import convergence as study

    return study.run(*context, **options)


@_study
@setting_options("heads", "width")
@click.option(
    "--structures",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Structure files to time; bundled ones by default.",
)
@click.option("--sample", type=click.IntRange(3), help="Proteins to time embedding on.")
def cost(*context: Any, **options: Any) -> StudyReport:
    """What does each stage cost, and when has the cache paid for itself?

    \b
    Example:
      sesstore study cost deeploc_binary --seeds 1 --epochs 2
    """
    from sesstore.studies import cost as study

    return study.run(*context, **options)
