"""How fast is one training step of a model on this machine? A process of its own: `python -m core.live.stopwatch`.

The model is trained for a moment on made-up tokens, with the batch and the optimiser of a run. Prints one JSON line:
step (seconds), steps (timed), weights_mb, peak_mb (10^6 bytes). Nothing is read of any data set, nothing is written.
"""

from __future__ import annotations

import json
import time

import click

SECONDS, STEPS = 1.5, 40  # it ends with whichever comes first


@click.command()
@click.option("--model", required=True)
@click.option("--threads", type=click.IntRange(1), required=True)
@click.option("--batch-size", type=click.IntRange(1, 4096), required=True)
@click.option("--tokens", type=click.IntRange(4, 8192), required=True)
def main(model: str, threads: int, batch_size: int, tokens: int) -> None:
    """Time steps of MODEL on batches of --batch-size texts of --tokens tokens."""
    import torch

    from core.live.progress import peak_memory
    from core.models.loading import load_model

    torch.set_num_threads(threads)
    net = load_model(model, labels=2, seed=0).model.train()
    generator = torch.Generator().manual_seed(0)
    words = int(net.config.vocab_size)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-5, fused=True)
    took: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(took) <= STEPS and (len(took) < 2 or time.perf_counter() < end):
        ids = torch.randint(min(5, words - 1), words, (batch_size, tokens), generator=generator)
        began = time.perf_counter()
        out = net(input_ids=ids, attention_mask=torch.ones_like(ids))
        torch.nn.functional.cross_entropy(out.logits, torch.zeros(batch_size, dtype=torch.long)).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        took.append(time.perf_counter() - began)
    timed = sorted(took[1:])  # the first one allocates
    weights = sum(p.numel() * p.element_size() for p in net.parameters())
    click.echo(json.dumps({"step": timed[len(timed) // 2], "steps": len(timed), "weights_mb": weights / 1e6,
                           "peak_mb": peak_memory()}))


if __name__ == "__main__":
    main()
