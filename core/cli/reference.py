"""`docs/cli.md`, made from `--help`: `python -m core.cli.reference > docs/cli.md`. A test holds the two equal."""

from __future__ import annotations

import click

from core.cli.group import HELP_FLAGS, main

WIDTH = 100
HEAD = """# The headless command

Everything the dashboard shows was made by this command, and can be made again with it. Exit codes: 0 = done, 1 = a
check, a benchmark or a run failed, or SparseScope itself did (it then says so, with what to report), 2 = something you
gave cannot be used, or the disk takes no more (the message says what to do), 130 = stopped by Ctrl-C.

This page is made from `--help` by `python -m core.cli.reference > docs/cli.md`.
"""


def help_of(command: click.Command, *path: str) -> str:
    """The help text of *command* as a terminal of WIDTH columns shows it."""
    context: click.Context | None = None
    for name in path:
        context = click.Context(command, parent=context, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH,
                                help_option_names=HELP_FLAGS)
    assert context is not None
    return command.get_help(context).rstrip()


def reference() -> str:
    """The whole of `docs/cli.md`."""
    parts = [HEAD, f"```text\n{help_of(main, 'python -m core')}\n```\n"]
    top = click.Context(main, info_name="python -m core")
    for name in main.list_commands(top):
        command = main.get_command(top, name)
        assert command is not None
        parts.append(f"## {name}\n\n```text\n{help_of(command, 'python -m core', name)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    click.echo(reference(), nl=False)
