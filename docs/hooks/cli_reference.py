"""Write the page of commands from their own help, so that it cannot go stale.

A hook of mkdocs: the page ``cli.md`` exists in the built site only.
"""

from __future__ import annotations

from collections.abc import Iterator

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from sesstore_cli.main import COMMANDS, group

WIDTH = 88
_HEAD = """# Commands

What `sesstore COMMAND --help` prints, for every command. All share `--json` (one JSON object on
standard output, everything else on standard error) and `--quiet`. They end with status 0 when all
is well, 1 when something failed (what failed is listed), 2 when the input or the usage is wrong.
The store is `--store DIR`, else `$SESSTORE_STORE`, else `./store`.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page to the site's files."""
    files.append(File.generated(config, "cli.md", content=page()))
    return files


def page() -> str:
    """Return the page as Markdown."""
    parts = [_HEAD]
    context = click.Context(group, info_name="sesstore", **group.context_settings)
    for name, (_, summary) in COMMANDS.items():
        command = group.get_command(context, name)
        if command is not None:
            parts += sections(command, name, context, summary)
    return "\n".join(parts)


def sections(
    command: click.Command, name: str, parent: click.Context, summary: str
) -> Iterator[str]:
    """Yield the section of a command, and those of its subcommands."""
    context = click.Context(
        command, parent, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH
    )
    level = "#" * (2 if parent.parent is None else 3)
    text = command.get_help(context)
    yield f"{level} {context.command_path}\n\n{summary}\n\n```text\n{text}\n```\n"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None:
                yield from sections(found, below, context, found.get_short_help_str(200))
