"""Is it really sparse? Any checkpoint on disk, read from its bytes alone: nothing in it is ever executed. No torch.

| module | answers |
|---|---|
| `header` | which tensors does a .safetensors file hold, and can its header be believed? |
| `folder` | which files are a checkpoint, and what does its config.json say? |
| `numbers` | what are the values, fp32, fp16, bf16? |
| `finding` | which pattern do the zeros of one matrix follow? |
| `levels` | do its values lie on a grid of few bits? |
| `looking` | all of it, matrix by matrix |
| `report`, `words` | what was found: one entry a matrix, and the verdict in sentences |
"""
