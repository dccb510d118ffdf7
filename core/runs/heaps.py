"""How norms of groups are counted while a penalty acts on them (`method/heaps`), for whoever writes or reads that.

A size is in units of the matrix's own threshold, the norm under which the pattern's share of its groups lies in the
dense model. It falls into one of BINS bins of equal width between 10^LOW and 10^HIGH; one more stands before them for
what is below, exact zeros among them, and one behind for what is above.
"""

from __future__ import annotations

LOW, HIGH, BINS = -3.0, 1.0, 48
QUIET = 0.1  # of the threshold: a group below has all but died
