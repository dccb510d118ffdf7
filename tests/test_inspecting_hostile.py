"""Files that lie, break off, point elsewhere or would run code: each is refused in words, and nothing is executed."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from core.errors import InputError
from core.inspecting import folder as folders
from core.inspecting import header
from core.inspecting.folder import open_checkpoint
from core.inspecting.looking import inspect
from core.inspecting.numbers import values
from tests.checkpoints import LAYER, QUERY, file_bytes, nm, with_header, write

NAME = LAYER.format(0, QUERY)
GOOD = file_bytes({NAME: nm(2, 4), "b": nm(1, 4)})
F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        inspect(path)
    text = str(caught.value)
    assert len(text) < 600 and caught.value.expected and caught.value.remedy
    return text


def file_of(folder: Path, raw: bytes, name: str = "model.safetensors") -> Path:
    (folder / name).write_bytes(raw)
    return folder / name


HEADERS: list[tuple[Any, bytes, str]] = [
    ({"a": F32}, b"\0" * 7, "promises"), ({"a": F32}, b"\0" * 9, "does not name"), ({"a": F32, "b": F32}, b"\0" * 8,
                                                                                  "overlaps"),
    ({"a": {**F32, "data_offsets": [4, 12]}}, b"\0" * 12, "leaves a hole"),
    ({"a": {**F32, "data_offsets": [8, 0]}}, b"\0" * 8, "no usable"),
    ({"a": {**F32, "data_offsets": [-8, 0]}}, b"\0" * 8, "no usable"),
    ({"a": {**F32, "data_offsets": [0, 1 << 63]}}, b"\0" * 8, "no usable"),
    ({"a": {**F32, "data_offsets": [0.0, 8.0]}}, b"\0" * 8, "no usable"),
    ({"a": {**F32, "shape": [3]}}, b"\0" * 8, "has 8 bytes"),
    ({"a": {**F32, "shape": [True, 2]}}, b"\0" * 8, "no usable"),
    ({"a": {**F32, "shape": [1] * 40 + [2]}}, b"\0" * 8, "no usable"),
    ({"a": {**F32, "dtype": ["F32"]}}, b"\0" * 8, "no usable"), ({"a": 3}, b"", "no usable"),
    ({"a": {}}, b"", "no usable"), (b'{"a": 1, "a": 2}', b"", "stands twice"), (b"[1]", b"", "brace"),
    (b'{"a": ' + b"[" * 200_000, b"", "cannot be read"), (b'{"\xff": 1}', b"", "cannot be read"),
    (b'{"a": ' + b"9" * 5000 + b"}", b"", "cannot be read"), (b"{", b"", "cannot be read"),
]


@pytest.mark.parametrize(("head", "body", "words"), HEADERS)
def test_headers_that_lie_are_refused(tmp_path: Path, head: Any, body: bytes, words: str) -> None:
    assert words in refused(file_of(tmp_path, with_header(head, body)))


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 40, len(GOOD) - 1])
def test_a_file_that_breaks_off_anywhere_is_refused(tmp_path: Path, length: int) -> None:
    refused(file_of(tmp_path, GOOD[:length]))


def test_every_flipped_byte_of_a_header_is_refused_or_harmless(tmp_path: Path) -> None:
    small = file_bytes({"a.0.w.weight": nm(2, 4, 4, 4)})
    for place in range(8 + int.from_bytes(small[:8], "little")):
        raw = bytearray(small)
        raw[place] ^= 0x15
        path = file_of(tmp_path, bytes(raw))
        try:
            assert inspect(path).size == 64
        except InputError as error:
            assert error.remedy


def test_limits_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "header takes 100000001 bytes" in refused(file_of(tmp_path, (100_000_001).to_bytes(8, "little") + b"{" * 99))
    monkeypatch.setattr(header, "MOST", 1)
    assert "lists 3 tensors" in refused(file_of(tmp_path, with_header({k: {**F32, "shape": [0], "data_offsets": [0, 0]}
                                                                      for k in "abc"})))
    monkeypatch.setattr(folders, "MOST", 1)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "x", "b": "x"}}))
    assert "lists 2 tensors" in refused(tmp_path)


def test_a_header_whose_length_looks_like_a_pickle_is_read(tmp_path: Path) -> None:
    text = json.dumps({"a": F32}).encode()
    assert len(inspect(file_of(tmp_path, with_header(text.ljust(0x0280), b"\0" * 8))).rest) == 1  # 80 02: a pickle's
    assert "brace" in refused(file_of(tmp_path, with_header(b" " + text, b"\0" * 8)))


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    assert "is a pickle (PyTorch" in refused(file_of(tmp_path, b"\x80\x04\x95\x0b\x00\x00\x00" + b"c" * 90))
    with zipfile.ZipFile(tmp_path / "model.safetensors", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
    text = refused(tmp_path)
    assert "is a pickle (PyTorch" in text and "save_pretrained" in text
    (tmp_path / "model.safetensors").unlink()
    for name in ("pytorch_model.bin", "model.pt", "x.ckpt"):
        path = file_of(tmp_path, b"anything", name)
        for given in (path, tmp_path):
            text = refused(given)
            assert f"{name} is a pickle" in text and "can run code" in text and "save_pretrained" in text
        path.unlink()


def test_what_is_no_checkpoint_is_said(tmp_path: Path) -> None:
    assert "There is no" in refused(tmp_path / "gone")
    assert "no path" in refused(Path("x" * 5000)) and "\0" not in refused(Path("a\0b"))
    assert "holds no .safetensors" in refused(tmp_path)
    os.mkfifo(tmp_path / "pipe.safetensors")
    assert "no regular file" in refused(tmp_path / "pipe.safetensors")
    (tmp_path / "pipe.safetensors").unlink()
    assert "pointer of Git LFS" in refused(file_of(tmp_path, b"version https://git-lfs.github.com/spec/v1\noid x\n"))
    (tmp_path / "model.safetensors").unlink()
    for name in "ab":
        file_of(tmp_path, GOOD, f"{name}.safetensors")
    assert "Name the file, for example a.safetensors" in refused(tmp_path)


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/passwd", "..", ".", "", "a/b", "a\\b", "a\0b", "gone"])
def test_an_index_cannot_point_out_of_its_folder(tmp_path: Path, name: str) -> None:
    inner = tmp_path / "model"
    inner.mkdir()
    file_of(tmp_path, GOOD, "x.safetensors")
    (inner / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {NAME: name}}))
    assert ("is missing" if name == "gone" else "must not point out") in refused(inner)


@pytest.mark.parametrize("index", ["[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": 1}}', "{",
                                   '{"weight_map": {}}'])
def test_a_damaged_index_is_refused(tmp_path: Path, index: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(index)
    refused(tmp_path)


def test_an_index_that_names_what_is_not_there_is_refused(tmp_path: Path) -> None:
    file_of(tmp_path, GOOD, "one.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"other": "one.safetensors"}}))
    assert "lacks the tensor 'other'" in refused(tmp_path)


def test_links_out_of_the_folder_are_refused_and_those_of_the_hub_s_cache_are_not(tmp_path: Path) -> None:
    outside = file_of(tmp_path, GOOD, "outside.safetensors")
    inner = tmp_path / "model"
    inner.mkdir()
    (inner / "model.safetensors").symlink_to(outside)
    assert "is a link out of model" in refused(inner)
    (inner / "model.safetensors").unlink()
    (inner / "model.safetensors").symlink_to(inner / "model.safetensors")
    refused(inner)
    run = tmp_path / "run"
    run.mkdir()
    (run / "checkpoint").symlink_to(write(tmp_path / "elsewhere", {NAME: nm(2, 4)}))
    assert "is a link out of run" in refused(run)
    cache = tmp_path / "models--x" / "snapshots" / "0123"
    cache.mkdir(parents=True)
    (tmp_path / "models--x" / "blobs").mkdir()
    blob = file_of(tmp_path / "models--x" / "blobs", GOOD, "f00d")
    (cache / "model.safetensors").symlink_to(blob)
    assert inspect(cache).matrices


def test_a_config_is_only_data(tmp_path: Path) -> None:
    config = {"num_attention_heads": 4, "auto_map": {"AutoModel": "evil.Model"}}
    (tmp_path / "evil.py").write_text("raise SystemExit('executed')")
    report = inspect(write(tmp_path, {NAME: nm(2, 4)}, config))
    assert "auto_map" in report.remarks[0] and "ignored" in report.remarks[0]
    assert report.matrices[0].found.heads == (0, 4)
    for bad in ("{", "[1]", "[" * 100_000):
        (tmp_path / "config.json").write_text(bad)
        report = inspect(tmp_path)
        assert "config.json was left out" in report.remarks[0] and report.matrices[0].found.pattern == "2:4"


def test_a_file_that_shrinks_while_it_is_read_is_an_error_not_a_crash(tmp_path: Path) -> None:
    path = file_of(tmp_path, GOOD)
    tensor = open_checkpoint(path).tensors[-1]
    os.truncate(path, len(GOOD) - 100)
    with pytest.raises(InputError, match="cut short while it was read"):
        values(tensor, 0, tensor.count)


def test_empty_and_odd_shapes_do_no_harm(tmp_path: Path) -> None:
    import numpy as np

    shapes = {"a.0.w.weight": (0, 4), "a.1.w.weight": (4, 0), "a.2.w.weight": (1, 1), "a.3.w.weight": (3, 7),
              "a.4.w.weight": (2, 2, 2), "s": ()}
    report = inspect(write(tmp_path, {name: np.ones(shape, np.float32) for name, shape in shapes.items()}))
    assert [m.shape for m in report.matrices] == [(1, 1), (3, 7), (2, 4)]  # kernels of two positions
    assert report.verdict[0].startswith("Not sparse")
