"""The group of all commands: lazy, and the one place where every end of a command is said.

A person's mistake, and what the disk refuses: one sentence, exit code 2. Ctrl-C: one line, 130. A reader that has seen
enough (`list | head`): nothing, 0. A fault of ours leaves `main` as the exception that it is; `say_fault` says it.
"""

from __future__ import annotations

import importlib
import os
import shlex
import sys
import traceback
from contextlib import suppress
from typing import Any, NoReturn

import click

from core import __version__
from core.cli import COMMANDS
from core.cli.output import printable
from core.errors import InputError, fault, unknown
from core.runs.disk import refused, refused_by_system
from core.runs.roots import check_roots

LONGEST = 700  # characters of a sentence
STOPPED = 130  # what a shell says of a command that Ctrl-C ended: 128 + SIGINT
HELP_FLAGS = ["-h", "--help"]


class Refused(click.ClickException):
    """A person's mistake, said on stderr without a traceback. Exit code 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print the message."""
        # Names may hold line breaks, and thousands of letters.
        text = " ".join(printable(self.message).split())
        if len(text) > LONGEST:
            text = f"{text[:LONGEST // 2]} ... {text[-LONGEST // 2:]}"
        click.echo(f"Error: {text}", file=file or sys.stderr)


class Stopped(click.ClickException):
    """Ctrl-C, or a polite kill: said in one line. Exit code 130."""

    exit_code = STOPPED

    def show(self, file: Any = None) -> None:
        """Print the message."""
        click.echo(printable(self.message), file=file or sys.stderr)


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

    def make_context(self, *args: Any, **named: Any) -> click.Context:
        """Read the group's own options; what is none is refused in one sentence."""
        try:
            return super().make_context(*args, **named)
        except click.UsageError as error:
            raise _unusable(error) from None
        except BrokenPipeError:
            _close_output()
            raise click.exceptions.Exit(0) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. A person's mistake and the disk's refusal become a message; anything else is our own fault
        and keeps its traceback."""
        try:
            check_roots()
            return super().invoke(ctx)
        except InputError as error:
            raise Refused(str(error)) from None
        except click.UsageError as error:
            raise _unusable(error) from None
        except KeyboardInterrupt as error:
            raise Stopped(str(error) or "Stopped.") from None
        except BrokenPipeError:  # whoever read it has seen enough
            _close_output()
            ctx.exit(0)
        except Exception as error:
            found = refused_by_system(error)
            if found is None:
                raise
            raise Refused(str(refused(found))) from error


def _unusable(error: click.UsageError) -> click.ClickException:
    """What the library says of a bad option, in one sentence and not in four lines."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error
    command = error.ctx.command_path if error.ctx is not None else "python -m core"
    return Refused(f"{error.format_message().rstrip('.')}. See `{command} --help`.")


def _close_output() -> None:
    """Let nothing be written to a closed pipe any more, not even what still waits to be."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=LazyGroup, context_settings={"help_option_names": HELP_FLAGS})
@click.version_option(package_name=None, version=__version__, prog_name="SparseScope")
def main() -> None:
    """SparseScope: prune transformers to N:M patterns, and see what that does.

    \b
    Example:
      python -m core run --task agreement --model tiny --method admm --pattern 2:4
    """


def say_fault(error: Exception) -> SystemExit:
    """Print the traceback of *error*, a fault of ours, and under it what to report. How the process then ends."""
    with suppress(OSError):  # nobody listens
        traceback.print_exception(error)
        command = shlex.join(["python", "-m", "core", *sys.argv[1:]])
        click.echo(f"Error: {printable(fault(error, command))}", err=True)
    return SystemExit(1)


def leave(end: SystemExit) -> NoReturn:
    """End this process at once, as *end* asks: taking torch apart would take a second or two more, when all is written
    already."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody listens any more
            stream.flush()
    os._exit(end.code if isinstance(end.code, int) else end.code is not None)
