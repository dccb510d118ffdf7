"""Digests that recorded runs carry, written down: a change of any byte that goes into one is a change of every run."""

from __future__ import annotations

import hashlib

import numpy as np

from core.runs.arrays import encode_rows, mask_digest, pack_mask, unpack_mask
from core.runs.records import RunSpec

MASK_DIGEST = "209618cacee3828547ab20cb68a595fe3a08e8e2ff4a419285332772da0823eb"
NAMES = ["cola-minilm-l6-admm-2of4-e4-s0-3d377be6",
         "agreement-tiny-dense-s0-621852b1",
         "mrpc-minilm-l6-magnitude-unstructured-0.875-e0-s3-b7eaf60f",
         "cola-minilm-l6-admm-layer-2of4-int4-e0-s0-b03d8c64",
         "sst2-my-model-asp-block-4x4-0.5-e2.5-s0-737aae6e"]
MASK = np.array([[1, 0, 0, 1, 0, 0, 0, 0, 1, 0], [0, 1, 1, 0, 0, 0, 0, 1, 0, 1]], np.uint8)


def test_the_digest_of_a_mask_is_that_of_its_shape_and_its_packed_bits() -> None:
    bits = pack_mask(MASK)
    assert bits.tolist() == [[0b10010000, 0b10000000], [0b01100001, 0b01000000]]
    assert mask_digest(bits) == MASK_DIGEST
    assert mask_digest(bits) == hashlib.sha256(b"(2, 2)" + bytes([144, 128, 97, 64])).hexdigest()
    assert np.array_equal(unpack_mask(bits, 10), MASK)
    assert mask_digest(np.asfortranarray(bits)) == MASK_DIGEST
    assert mask_digest(bits.reshape(1, 4)) != MASK_DIGEST


def test_the_names_of_runs_are_the_recorded_ones() -> None:
    specs = (RunSpec(task="cola"),
             RunSpec(task="agreement", model="tiny", method="dense", pattern="dense", epochs=18, lr=1e-3),
             RunSpec(task="mrpc", method="magnitude", pattern="unstructured:0.875", epochs=0, seed=3),
             RunSpec(task="cola", method="admm-layer", pattern="2:4", epochs=0, bits=4, chunk=64,
                     knobs={"inputs": "pruned"}),
             RunSpec(task="sst2", model="a/Path to/My_Model", method="asp", pattern="block:4x4:0.5", epochs=2.5))
    assert [spec.run_id for spec in specs] == NAMES


def test_codes_of_a_row_are_rounded_to_its_largest_magnitude() -> None:
    codes, scale = encode_rows(np.array([[1.27, -0.635, 0.004, 0.006], [0, 0, 0, 0]], np.float32))
    assert codes.tolist() == [[127, -64, 0, 1], [0, 0, 0, 0]]
    assert scale.tolist() == [np.float32(np.float32(1.27) / 127), 0.0]


