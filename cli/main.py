"""The command ``sesstore``: a table of subcommands that load lazily.

``sesstore ls`` never imports torch: a subcommand's module is imported when it is run or its help is
asked for. Errors of the library become one line on standard error and an exit status: 2 for what
the user gave (`InputError`), 1 for everything else, 130 after Ctrl-C.
"""

from __future__ import annotations

import difflib
import errno
import os
import sys
from importlib import import_module
from typing import Any

import click

from sesstore import __version__
from sesstore.errors import DISK_FULL, InputError, SesstoreError

from .output import as_json
from .wording import agreeing, named_store, naming_store, prepare_streams

_REFUSED = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR,
    errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTEMPTY,
}  # fmt: skip

COMMANDS = {
    "demo": ("demo", "The whole way on bundled real structures."),
    "fit": ("fit", "From a file of labelled proteins to a measured predictor, in one."),
    "add": ("add", "Put a published task, or your own data, into the store."),
    "doctor": ("doctor", "Say what of a data set would bias a result; clean a copy."),
    "embed": ("embed", "Run a PLM once over what the store knows and lacks."),
    "tokens": ("tokens", "Turn structures into 3Di, DSSP and pLDDT tokens."),
    "alphabets": ("alphabets", "List the alphabets of tokens, or declare one of your own."),
    "train": ("train", "Train a structure-aware adapter from the store."),
    "sweep": ("sweep", "Train a grid of adapters on one stream of batches."),
    "study": ("study", "Ask a question: ablation, quality, size, cost, ..."),
    "evaluate": ("evaluate", "Measure a trained run on a task's split."),
    "report": ("report", "Write a page and figures on a run, or compare runs."),
    "predict": ("predict", "Predict for new sequences or structures."),
    "search": ("search", "Find the nearest proteins by embedding; transfer labels."),
    "map": ("map", "Draw proteins by embedding, on a page to explore."),
    "status": ("status", "Say how much is embedded, over all runs and machines."),
    "ls": ("ls", "List what a store holds, a line each."),
    "info": ("info", "Say in full what a store holds and what made it."),
    "plan": ("plan", "Reckon what embedding takes: GPU-hours, bytes, transfer."),
    "plms": ("plms", "List the encoders, and whether their weights are here."),
    "verify": ("verify", "Check that every stored byte is what was written."),
    "repair": ("repair", "Set right what is wrong; say what has to be made again."),
    "compact": ("compact", "Merge small segments and drop duplicates."),
    "gc": ("gc", "Remove what killed writers left behind."),
    "diff": ("diff", "Compare two stores, or two encoders' outputs."),
    "card": ("card", "Write a README into the store: contents, licences, use."),
    "import": ("importing", "Store embeddings that other tools computed."),
    "export": ("exporting", "Write embeddings or tasks in a format other tools read."),
    "push": ("push", "Bring a store to a folder, S3 or GCS."),
    "pull": ("pull", "Take a store, or the part that is needed, from anywhere."),
    "merge": ("merge", "Take in everything other stores have."),
    "serve": ("serve", "Hand out stores over HTTP, with a catalogue page."),
}
"""Name: (module of this package, summary)."""


class LazyGroup(click.Group):
    """A group whose commands are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f".{COMMANDS[cmd_name][0]}", __package__).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one gets a suggestion."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else " See `sesstore --help`."
            raise click.UsageError(f"no command is called '{args[0]}'.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="sesstore")
def group() -> None:
    """Run a protein language model once; train structure-aware adapters from the store.

    \b
    Example:
      sesstore add deeploc_binary --data DIR --source alphafold2
      sesstore embed --plm esm2_t33
      sesstore train deeploc_binary --structure foldseek,dssp
    """


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit.

    Parameters
    ----------
    argv : list of str, optional
        Arguments; those of the process by default.
    """
    arguments = sys.argv[1:] if argv is None else argv
    process_arguments, sys.argv = (
        sys.argv,
        ["sesstore", *arguments],
    )  # as runs and segments record it
    prepare_streams()
    try:
        # Click returns the status of a command that ended with `Exit`, and None otherwise.
        status = group.main(
            args=arguments,
            standalone_mode=False,
            prog_name="sesstore",
            obj=named_store(arguments),
        )
        sys.stdout.flush()
    except click.Abort:
        status = _fail("interrupted", "Interrupted", 130, arguments)
    except click.ClickException as problem:
        status = _fail(_usage(problem), type(problem).__name__, 2, arguments)
    except SesstoreError as problem:
        wrong_input = isinstance(problem, InputError)
        status = _fail(str(problem), type(problem).__name__, 2 if wrong_input else 1, arguments)
    except BrokenPipeError:
        status = _silenced()
    except OSError as problem:
        status = _fail(*os_error(problem), arguments)
    finally:
        sys.argv = process_arguments
    try:
        sys.stdout.flush()
    except OSError:  # said already; what is left must not be tried again at exit
        silenced = _silenced()
        status = status or silenced
    sys.exit(status or 0)


def _usage(problem: click.ClickException) -> str:
    context: Any = getattr(problem, "ctx", None)
    hint = f" Try `{context.command_path} --help`." if context and context.parent else ""
    return problem.format_message() + hint


def os_error(problem: OSError) -> tuple[str, str, int]:
    """Return message, kind and exit status of what the operating system refused.

    A name the user gave that cannot be read or written is wrong input; a full disk is not.
    """
    kind, reason = type(problem).__name__, problem.strerror or str(problem)
    place = f"'{problem.filename}': " if problem.filename else ""
    if problem.errno in DISK_FULL:
        place = place or "standard output or a temporary file: "
        advice = "What was finished before is safe: free some space and run the same command again"
        return f"{place}{reason}. {advice}", kind, 1
    if problem.errno in _REFUSED:
        advice = "Check its permissions and those of its folder, or name another place"
        return f"{place}{reason}. {advice}", kind, 2
    return f"{place}{reason}. Check that place, and run the same command again", kind, 1


def _silenced() -> int:
    """Whoever read our output has gone: nothing more is said, also not at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _fail(message: str, kind: str, status: int, arguments: list[str]) -> int:
    """Say what went wrong: for people on standard error, and as JSON where that was asked for."""
    worded = naming_store(agreeing(message), named_store(arguments))
    click.echo(f"error: {worded}", err=True)
    if "--json" in arguments:
        click.echo(as_json({"error": worded, "kind": kind}, sys.stdout.encoding))
    return status


if __name__ == "__main__":
    main()
