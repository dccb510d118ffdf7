"""What may stay in a weight matrix: all patterns, under one name to import.

| text | keeps |
|---|---|
| `2:4` | exactly 2 of every 4 consecutive weights along the input dimension |
| `unstructured:0.5` | the share 0.5 of every matrix, anywhere in it |
| `global:0.5` | the share 0.5 of all matrices of a model together |
| `block:4x4:0.5` | the share 0.5 of the 4 x 4 blocks of every matrix, whole |
| `library:4x4:8:16` | exactly 8 of every 4 x 4 block, on one of the 16 commonest supports |
| `library:4x4:8:16:each` | exactly 8 of every 4 x 4 block, on one of 16, commonest in its matrix |
| `given:1x4:c,a,9` | one of the supports written down: 1100, 1010 or 1001 of every 4 |
| `heads:0.5` | half of the attention heads of the model, each in all its matrices |
| `neurons:0.5` | half of the FFN neurons of the model |
| `modules:0.25` | three quarters of its attentions and FFNs |
| `units:0.5` | heads and neurons that hold half of the weights |
| `dense` | everything |

In `unstructured`, `global`, `block` and from `heads` to `units` the last number is a sparsity: the
share that goes. Supports are hexadecimal: row by row, the first entry the highest bit, zeros at the
end up to a whole digit. "Commonest" is counted in the dense model. No torch here.
`pattern` says what a pattern is, `kinds`, `library_pattern` and `coupled` hold the classes,
`parsing` the list PATTERNS and the reading of texts.
"""

from __future__ import annotations

from core.sparsity.budget import Budget, kept_number
from core.sparsity.coupled import Coupled
from core.sparsity.grouping import WIDEST, Grouping
from core.sparsity.kinds import NM, Blocks, Dense, GlobalUnstructured, Unstructured
from core.sparsity.library_pattern import Given, Learned
from core.sparsity.parsing import LONGEST, PATTERNS, Kind, parse_pattern
from core.sparsity.pattern import Pattern

__all__ = [
    "LONGEST", "NM", "PATTERNS", "WIDEST", "Blocks", "Budget", "Coupled", "Dense", "Given",
    "GlobalUnstructured", "Grouping", "Kind", "Learned", "Pattern", "Unstructured", "kept_number",
    "parse_pattern",
]
