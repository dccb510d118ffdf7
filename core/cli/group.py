"""The group of all commands: lazy, and the one place where a person's mistake becomes a message and exit code 2."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from contextlib import suppress
from typing import Any, NoReturn

import click

from core.cli import COMMANDS
from core.cli.output import printable
from core.errors import InputError, unknown

FULL = (errno.ENOSPC, errno.EDQUOT)
HELP_FLAGS = ["-h", "--help"]


class Refused(click.ClickException):
    """A person's mistake, said on stderr without a traceback. Exit code 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print the message."""
        click.echo(f"Error: {printable(self.message)}", file=file or sys.stderr)


class LazyGroup(click.Group):
    """Imports the module of a command only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the list: as one works, not by the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command. None (click then names what is missing) for a name that is not in the list."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"core.cli.{COMMANDS[cmd_name]}")
        return getattr(module, f"{cmd_name}_command")

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Look the command up; an unknown one is refused with the closest name."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise Refused(str(unknown("command", args[0], COMMANDS)))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. An InputError becomes a message; anything else is our own fault and keeps its traceback."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            raise Refused(str(error)) from None
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise Refused(f"{error.strerror}: {error.filename or 'a file'} could not be written. "
                          "Expected room on the disk. Free some space and give the command again.") from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": HELP_FLAGS})
@click.version_option(package_name=None, version="0.1.0", prog_name="SparseScope")
def main() -> None:
    """SparseScope: prune transformers to N:M patterns, and see what that does.

    \b
    Example:
      python -m core run --task agreement --model tiny --method admm --pattern 2:4
    """


def leave(end: SystemExit) -> NoReturn:
    """End this process at once, as *end* asks: taking torch apart would take a second or two more, when all is written
    already."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody listens any more
            stream.flush()
    os._exit(end.code if isinstance(end.code, int) else end.code is not None)
