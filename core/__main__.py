"""`python -m core`: the headless command. See `docs/cli.md`."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    for number in (0, 1, 2):  # a closed one would be the next file that is opened, and get what libraries print
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or os.fdopen(1, "w")  # of a closed one there is no stream
    sys.stderr = sys.stderr or os.fdopen(2, "w")
    try:
        from core.cli.group import leave, main, say_fault
    except KeyboardInterrupt:
        os._exit(130)
    try:
        main(prog_name="python -m core")
    except SystemExit as end:  # click ends with one
        leave(end)
    except KeyboardInterrupt:
        leave(SystemExit(130))
    except Exception as error:  # what no command foresees
        leave(say_fault(error))
