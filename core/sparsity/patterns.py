"""What may stay in a weight matrix: all patterns, under one name to import.

| text | keeps |
|---|---|
| `2:4` | exactly 2 of every 4 consecutive weights along the input dimension |
| `unstructured:0.5` | the share 0.5 of every matrix, anywhere in it |
| `global:0.5` | the share 0.5 of all matrices of a model together |
| `block:4x4:0.5` | the share 0.5 of the 4 x 4 blocks of every matrix, whole |
| `dense` | everything |

The number after a colon is a sparsity: the share of zeros. No torch here.
`kinds` holds the classes, `parsing` the list PATTERNS and the reading of texts.
"""

from __future__ import annotations

from core.sparsity.kinds import NM, WIDEST, Blocks, Dense, GlobalUnstructured, Pattern, Unstructured, kept_number
from core.sparsity.parsing import LONGEST, PATTERNS, Kind, parse_pattern

__all__ = ["LONGEST", "NM", "PATTERNS", "WIDEST", "Blocks", "Dense", "GlobalUnstructured", "Kind", "Pattern",
           "Unstructured", "kept_number", "parse_pattern"]
