"""What every field of RunSpec is, in words: the help of the command line and of the Run page."""

from __future__ import annotations

# One line for every field of RunSpec; a test holds the two lists equal.
HELP: dict[str, str] = {
    "task": "What is learned; see `tasks`.",
    "model": "A name of `models`, a local folder in Hugging Face form, or a hub id.",
    "method": "How to prune; see `methods`. `dense` only fine-tunes.",
    "pattern": "What may stay, e.g. 2:4 = keep 2 of every 4 consecutive inputs; see `patterns`.",
    "seed": "Seed of the classifier head, the order of the batches and the dropout.",
    "epochs": "Epochs of training while or after pruning; 0 = none.",
    "dense_epochs": "Epochs of the dense parent, made first when it is not there yet.",
    "lr": "Peak learning rate (AdamW).",
    "dense_lr": "Peak learning rate of the dense parent.",
    "batch_size": "Sequences per optimiser step.",
    "max_length": "Tokens per sequence; longer ones are cut.",
    "train_examples": "Train on this many examples, the same ones for every seed.  [default: all]",
    "dev_examples": "Score on this many examples held out of train, for choosing knobs; 0 = the validation set.",
    "calibration": "Training examples behind the layers' Gram matrices.",
    "distill": "Weight of the dense teacher's soft targets in the loss, 0 to 1.",
    "dropout": "Dropout in every training of this run and of its parent, 0 to 1.",
    "freeze_embeddings": "Train the embeddings too, or keep them frozen (faster).",
    "record": "How much the run folder keeps: summary, masks, full (weights too) or lab (Gram matrices too).",
    "bits": "Put the weights on a grid of this many bits, 2 to 8; 0 = no grid.",
    "chunk": "Weights along the input that share one scale of the grid; 0 = a whole row.",
    "distill_hidden": "Weight of the dense teacher's hidden states in the loss, 0 to 100.",
    "distill_attention": "Weight of the dense teacher's attention in the loss, 0 to 100.",
    "eval_examples": "Score on this many evaluation examples only, evenly spaced (a run in a hurry); 0 = all.",
    "knobs": "A knob of the method; repeatable. `methods NAME` lists them.",
}
