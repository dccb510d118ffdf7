"""Measurements of a run's cost that were never measured: planted sizes and times."""

from __future__ import annotations

from typing import Any

from core.cost.records import Cost, Form, Passes
from core.runs.records import Environment


def small(run: str, **fields: Any) -> Cost:
    """A measurement of *run* with one form and no pass; *fields* replace what it says."""
    form = Form(name="dense", size=100, parts={"values": 80, "header": 20}, counted=640, same=True)
    env = Environment(python="3", packages={}, commit=None, dirty=None, processor="p", device="cpu", threads=1)
    return Cost(**{"schema": 1, "id": run, "created": "2026-01-01", "environment": env, "origin": "masks",
                   "whole": False, "forms": [form], **fields})


def planted(batch: int, length: int, dense: int, **models: float) -> Passes:
    """Forty passes that slow down together; each model is so many times faster than dense."""
    pace = [1 + 0.1 * (k % 5) for k in range(40)]
    return Passes(batch=batch, length=length, micros={"dense": [round(dense * p) for p in pace], **{
        name: [round(dense * p / times) for p in pace] for name, times in models.items()}})
