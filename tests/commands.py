"""How a refusal of the headless command looks."""

from __future__ import annotations

from click.testing import Result


def refused(result: Result) -> str:
    """The message of a refusal: exit code 2, on stderr, one line, no traceback."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("Error: ")
    return result.stderr
