"""Patterns: their texts, their numbers, what fits them, and what a person reads when something is wrong."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.sparsity.patterns import (
    NM,
    PATTERNS,
    Blocks,
    Dense,
    Given,
    GlobalUnstructured,
    Kind,
    Learned,
    Pattern,
    Unstructured,
    kept_number,
    parse_pattern,
)

SHARES = st.floats(0, 1, exclude_max=True)
SIDES = st.sampled_from([(1, 1), (1, 4), (3, 3), (4, 4), (2, 5), (32, 2), (8, 8), (1, 7)])
ANY = st.one_of(
    st.integers(1, 32).flatmap(lambda m: st.builds(NM, st.integers(1, m), st.just(m))),
    st.builds(Unstructured, SHARES), st.builds(GlobalUnstructured, SHARES),
    st.builds(Blocks, st.integers(1, 64), st.integers(1, 64), SHARES), st.just(Dense()),
    SIDES.flatmap(lambda s: st.tuples(st.just(s), st.integers(1, s[0] * s[1]))).flatmap(lambda b: st.builds(
        Learned, st.just(b[0][0]), st.just(b[0][1]), st.just(b[1]),
        st.integers(1, min(256, math.comb(b[0][0] * b[0][1], b[1]))), st.booleans())),
    SIDES.flatmap(lambda s: st.tuples(st.just(s), st.integers(1, s[0] * s[1]))).flatmap(lambda b: st.builds(
        Given, st.just(b[0][0]), st.just(b[0][1]), st.lists(
            st.permutations(range(b[0][0] * b[0][1])).map(lambda p: sum(1 << 63 - i for i in p[:b[1]])),
            min_size=1, max_size=9, unique=True).map(tuple))),
)


@given(ANY)
def test_the_name_reads_back_as_the_same_pattern(pattern: Pattern) -> None:
    assert parse_pattern(pattern.name) == pattern
    assert pattern.density + pattern.sparsity == pytest.approx(1)


@pytest.mark.parametrize(("text", "pattern", "density", "multiple", "title"), [
    ("2:4", NM(2, 4), 0.5, 4, "keep 2 of every 4"),
    ("32:32", NM(32, 32), 1.0, 32, "keep 32 of every 32"),
    (" 1 : 4 ", NM(1, 4), 0.25, 4, "keep 1 of every 4"),
    ("unstructured:0.9", Unstructured(0.9), 0.1, 1, "remove 90 % of every matrix"),
    ("Global:.29", GlobalUnstructured(0.29), 0.71, 1, "remove 29 % of all matrices together"),
    ("block:4x8:0.75", Blocks(4, 8, 0.75), 0.25, 8, "remove 75 % of the 4 x 8 blocks"),
    ("library:4x4:4:16", Learned(4, 4, 4, 16), 0.25, 4, "keep 4 of every 4 x 4 block, in one of 16 learned ways"),
    ("Library:1x8:4:1:each", Learned(1, 8, 4, 1, True), 0.5, 8,
     "keep 4 of every 1 x 8 block, in one learned way, each matrix its own"),
    ("given:1x4: C, a,9", Given(1, 4, (0xC << 60, 0xA << 60, 0x9 << 60)), 0.5, 4,
     "keep 2 of every 1 x 4 block, in one of 3 given ways"),
    ("given:3x3:ba8", Given(3, 3, (0xBA8 << 52,)), 6 / 9, 3, "keep 6 of every 3 x 3 block, in the one given way"),
    ("dense", Dense(), 1.0, 1, "keep everything"),
])
def test_what_a_text_means(text: str, pattern: Pattern, density: float, multiple: int, title: str) -> None:
    read = parse_pattern(text)
    assert read == pattern
    assert (read.density, read.multiple, read.title) == (pytest.approx(density), multiple, title)
    assert read.scope == ("model" if text.startswith("Global") else "matrix")


def test_patterns_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        NM(2, 4).n = 3  # type: ignore[misc]


@pytest.mark.parametrize("kind", PATTERNS.values(), ids=PATTERNS.keys())
def test_every_kind_reads_its_own_example(kind: Kind) -> None:
    assert parse_pattern(kind.example).name == kind.example
    assert kind.parse(kind.example) == parse_pattern(kind.example)


@pytest.mark.parametrize(("text", "message"), [
    ("4:2", "Pattern '4:2' keeps 4 of every 2. Expected N no larger than M. "
            "N:M keeps N of every M consecutive weights: did you mean '2:4'?"),
    ("0:4", "Pattern '0:4' has a zero or negative number. Expected N and M of at least 1. "
            "2:4 keeps 2 of every 4 consecutive weights."),
    ("-2:4", "Pattern '-2:4' has a zero or negative number. Expected N and M of at least 1. "
             "2:4 keeps 2 of every 4 consecutive weights."),
    ("2:64", "Pattern '2:64' has groups of 64. Expected M of at most 32. "
             "Take a smaller M, or 'unstructured:0.969'."),
    ("1.5:4", "Pattern '1.5:4' has a number that is not whole. Expected two whole numbers, N:M. "
              "2:4 keeps 2 of every 4 consecutive weights."),
    ("2/4", "Unknown pattern '2/4'. Expected N:M with a colon. Did you mean '2:4'?"),
    ("2 of 4", "Unknown pattern '2 of 4'. Expected N:M with a colon. Did you mean '2:4'?"),
    ("unstructred:0.5", "Unknown pattern 'unstructred:0.5'. Expected a form like 2:4, unstructured:0.5, global:0.5, "
                        "block:4x4:0.5, library:4x4:8:16, given:1x4:c,a,9, heads:0.5, neurons:0.5, modules:0.25, "
                      "units:0.5, dense. Did you mean 'unstructured'?"),
    ("2:4:8", "Unknown pattern '2:4:8'. Expected a form like 2:4, unstructured:0.5, global:0.5, block:4x4:0.5, "
              "library:4x4:8:16, given:1x4:c,a,9, heads:0.5, neurons:0.5, modules:0.25, units:0.5, dense. "
              "N:M keeps N of every M weights."),
    ("", "Unknown pattern ''. Expected a form like 2:4, unstructured:0.5, global:0.5, block:4x4:0.5, "
         "library:4x4:8:16, given:1x4:c,a,9, heads:0.5, neurons:0.5, modules:0.25, units:0.5, dense. "
         "N:M keeps N of every M weights."),
    ("unstructured:50%", "Pattern 'unstructured:50%' has no number where its sparsity should be. "
                         "Expected a share of zeros from 0 up to 1. For example unstructured:0.5."),
    ("global:nan", "Pattern 'global:nan' has no number where its sparsity should be. "
                   "Expected a share of zeros from 0 up to 1. For example global:0.5."),
    ("unstructured:50", "Sparsity 50 is out of range. Expected a share of zeros from 0 up to, but not, 1. "
                        "Write 50 % as 0.5."),
    ("global:-0.1", "Sparsity -0.1 is out of range. Expected a share of zeros from 0 up to, but not, 1. "
                    "Write 50 % as 0.5."),
    ("unstructured:1", "Sparsity 1 is out of range. Expected a share of zeros from 0 up to, but not, 1. "
                       "Write 50 % as 0.5."),
    ("block:4x4", "Pattern 'block:4x4' is not complete. Expected block:ROWSxCOLUMNS:SPARSITY. "
                  "block:4x4:0.5 removes half of the 4 x 4 blocks."),
    ("block:0x4:0.5", "Pattern 'block:0x4' has a zero or negative side. Expected sides of at least 1. "
                      "block:4x4:0.5 removes half of the 4 x 4 blocks."),
    ("library:4x4:8", "Pattern 'library:4x4:8' is not complete. Expected library:ROWSxCOLUMNS:KEEP:SUPPORTS, and :each "
                      "for a library a matrix. library:4x4:8:16 keeps 8 of every 4 x 4 block, in one of 16 ways."),
    ("library:9x8:8:16", "Pattern 'library:9x8:8:16' has blocks of 9 x 8. Expected sides of 1 to 32, at most 64 "
                         "weights in a block. Take a smaller block, such as 4x4."),
    ("library:33x1:8:16", "Pattern 'library:33x1:8:16' has blocks of 33 x 1. Expected sides of 1 to 32, at most 64 "
                          "weights in a block. Take a smaller block, such as 4x4."),
    ("library:4x4:0:1", "Pattern 'library:4x4:0:1' keeps 0 of 16. Expected 1 to 16 kept weights. "
                        "library:4x4:8:16 keeps 8 of every 4 x 4 block, in one of 16 ways."),
    ("library:4x4:17:1", "Pattern 'library:4x4:17:1' keeps 17 of 16. Expected 1 to 16 kept weights. "
                         "library:4x4:8:16 keeps 8 of every 4 x 4 block, in one of 16 ways."),
    ("library:1x4:2:7", "Pattern 'library:1x4:2:7' has 7 supports. Expected 1 to 6: ways to keep 2 of 4 there are 6, "
                        "and a library holds at most 256 supports. Change the last number."),
    ("library:4x4:8:257", "Pattern 'library:4x4:8:257' has 257 supports. Expected 1 to 256: ways to keep 8 of 16 "
                          "there are 12870, and a library holds at most 256 supports. Change the last number."),
    ("given:1x4", "Pattern 'given:1x4' is not complete. Expected given:ROWSxCOLUMNS:SUPPORT,SUPPORT,... in "
                  "hexadecimal. given:1x4:c,a,9 keeps entries 1 and 2, 1 and 3, or 1 and 4 of every 4."),
    ("given:1x4:cc", "Support 'cc' of pattern 'given:1x4:cc'. Expected 1 hexadecimal digits for the 4 entries of a "
                     "block. The first entry is the highest bit; fill up with zeros at the end."),
    ("given:3x3:081", "Support 081 of 'given:3x3' has bits beyond its 9 entries. Expected 3 hexadecimal digits, the "
                      "bits after entry 9 zero. The first entry is the highest bit; fill up with zeros at the end."),
    ("given:1x4:c,8", "The supports of the library keep 1, 2 entries. Expected the same number in every support, at "
                      "least 1. Leave out those that differ."),
    ("given:1x4:c,c", "A support stands in the library twice. Expected supports that all differ. Leave one out."),
    ("dense:1", "Pattern 'dense:1' has more than its name. Expected dense alone. Write only 'dense'."),
])
def test_a_wrong_text_says_what_to_write(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_pattern(text)
    assert str(caught.value) == message


def test_a_million_characters_are_not_repeated() -> None:
    for text in ("9" * 1_000_000, "2:" + "4" * 1_000_000, "block:" + "4" * 1_000_000,
                 "given:1x4:" + "c" * 1_000_000, "given:1x4:" + "c" * 4000, "library:" + "4" * 1_000_000):
        with pytest.raises(InputError) as caught:
            parse_pattern(text)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize(("pattern", "shape", "message"), [
    (NM(2, 4), (3, 10), "Matrix 'query' is 10 wide. Expected a width divisible by 4 for 2:4. "
                        "Choose an M that divides 10: 2, 5, 10."),
    (NM(1, 2), (3, 37), "Matrix 'query' is 37 wide. Expected a width divisible by 2 for 1:2. "
                        "No M up to 32 divides 37: choose 'unstructured:0.5'."),
    (Blocks(4, 2, 0.5), (6, 8), "Matrix 'query' is 6 x 8. Expected sides divisible by 4 and 2 for block:4x2:0.5. "
                                "Choose sides that divide them, or 'unstructured:0.5'."),
    (Learned(4, 2, 4, 2), (8, 9), "Matrix 'query' is 8 x 9. Expected sides divisible by 4 and 2 for library:4x2:4:2. "
                                  "Choose sides that divide them, or 'unstructured:0.5'."),
    (Unstructured(0.5), (5,), "Matrix 'query' has shape (5,). Expected two dimensions, [out, in]. "
                              "Leave it out of what is pruned."),
])
def test_a_matrix_that_does_not_fit_is_named(pattern: Pattern, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError) as caught:
        pattern.fits("query", shape)
    assert str(caught.value) == message


def test_what_fits_is_silent() -> None:
    NM(2, 4).fits("x", (3, 12))
    Blocks(3, 4, 0.5).fits("x", (9, 8))
    Unstructured(0.5).fits("x", (3, 7))


@given(SHARES, st.integers(0, 10_000))
def test_the_kept_number_rounds_a_half_up(share: float, size: int) -> None:
    exact = (1 - Fraction(repr(share))) * size  # an own way: fractions
    kept = kept_number(share, size)
    assert kept == math.floor(exact + Fraction(1, 2))
    assert 0 <= kept <= size


def test_the_kept_number_follows_the_share_as_written() -> None:
    assert kept_number(0.9, 5) == 1  # 0.5, though 1 - 0.9 is a little less than 0.1 in binary
    assert kept_number(0.5, 3) == 2
    assert kept_number(0.0, 7) == 7


@pytest.mark.parametrize("pattern", [NM(2, 4), NM(3, 6), NM(16, 32), Blocks(3, 4, 0.5), Learned(2, 6, 6, 3),
                                     Unstructured(0.5), Dense()],
                         ids=lambda p: p.name)
@pytest.mark.parametrize("kind", [np.bool_, np.uint8, np.float32])
def test_counts_equal_a_naive_loop(pattern: Pattern, kind: type) -> None:
    generator = np.random.default_rng(1)
    mask = generator.random((6, 96)) < 0.6
    given_mask = (mask * -0.5).astype(kind) if kind is np.float32 else mask.astype(kind)
    rows, columns = pattern.grouping.cell or mask.shape
    expected = [[sum(bool(mask[i + a, j + b]) for a in range(rows) for b in range(columns))
                 for j in range(0, 96, columns)] for i in range(0, 6, rows)]
    assert pattern.counts(given_mask).tolist() == expected


def test_counts_refuse_what_does_not_fit() -> None:
    with pytest.raises(InputError, match="divisible by 4"):
        NM(2, 4).counts(np.ones((2, 6), dtype=bool))


@pytest.mark.parametrize("pattern", [NM(2, 4), NM(1, 4), NM(5, 32), Unstructured(0.9), GlobalUnstructured(0.6),
                                     Blocks(2, 4, 0.5)], ids=lambda p: p.name)
def test_an_eased_pattern_follows_the_cubic(pattern: Pattern) -> None:
    """Zhu and Gupta: zeros(t) = zeros (1 - (1 - t)^3)."""
    densities = []
    for k in range(41):
        eased = pattern.eased(k / 40)
        assert eased.grouping == pattern.grouping
        late = pattern.sparsity * (1 - (1 - k / 40) ** 3) - eased.sparsity
        assert abs(late) < 1e-9
        densities.append(eased.density)
    assert densities == sorted(densities, reverse=True)
    assert pattern.eased(1.0) == pattern.eased(7.0) == pattern
    assert pattern.eased(0.0).density == pattern.eased(-1.0).density == 1.0


def test_keeping_everything_has_nothing_to_ease() -> None:
    assert Dense().eased(0.3) == Dense()
    assert NM(4, 4).eased(0.5) == NM(4, 4)
