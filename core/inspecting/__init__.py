"""Is it really sparse? Any checkpoint on disk, read from its bytes alone: nothing in it is ever executed. No torch.

| module | answers |
|---|---|
| `header` | which tensors does a .safetensors file hold, and can its header be believed? |
| `folder` | which files are a checkpoint, and what does its config.json say? |
| `numbers` | what are the values: floats of 64 to 8 bits, bf16, whole numbers? |
| `recognising` | which tensors make which matrices, and what are the others: masks, scales, low-rank updates? |
| `layout` | which way round is a matrix stored, and which tensors are stacks or convolutions? |
| `sources` | an array as the model uses it, and the matrices in it, read on demand |
| `packed`, `marlin` | bitmasks, and codes of few bits in whole words |
| `finding` | which pattern do the zeros of one matrix follow? |
| `levels` | do its values lie on a grid of few bits? |
| `looking` | all of it, matrix by matrix |
| `report`, `words` | what was found: one entry a matrix, and the verdict in sentences |
"""
