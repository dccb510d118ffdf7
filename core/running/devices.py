"""Where everything of a run happens: its device and its precision, from accelerate."""

from __future__ import annotations

import os

from accelerate import Accelerator


def accelerator() -> Accelerator:
    """The one of this process. Of several processes (`core.running.team`), whoever asks first joins them."""
    return Accelerator(cpu=os.environ.get("SPARSESCOPE_DEVICE") == "cpu")
