"""Which run a page opens with: the pinned one, else by rule a recorded one; never one that a person made."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from core.lab import source
from core.runs import featured
from core.runs.records import RunRecord
from core.runs.store import HEADER, Store
from core.views.compare import choice
from tests import makers
from tests.checkpoints import LAYER, QUERY, nm, write
from tests.opening import ROOT, open_page, said

OPENED = {"watch": "run", "weights": "run", "activations": "run", "occupancy": "run", "patterns": "run", "trace": "run",
          "lab": "run", "compare": "runs", "inspect": "checkpoint"}  # what the link says of it
METHODS = ("magnitude", "asp", "admm", "pattern-admm")


def record(store: Store, run_id: str) -> RunRecord:
    return next(r for r in store.records() if r.id == run_id)


def fill(root: Path, seed: int, **more: object) -> None:
    """A dense run and what pages like to open with, all kept in full."""
    parent = makers.make_dense(root, seed=seed, **more)
    write(root / parent / "checkpoint", {LAYER.format(0, QUERY): nm(2, 4)})
    for method in METHODS[:3]:
        makers.make_run(root, method=method, seed=seed, parent=parent, **more)
    makers.make_run(root, method="admm-layer", seed=seed, parent=parent, record="lab", **more)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Recorded runs alone."""
    made = makers.empty_store(tmp_path_factory.mktemp("store"))
    fill(made.recorded, seed=0)
    return made


@pytest.fixture(scope="module")
def crowded(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The same, and what a person made later: of the same task and of one that is sorted before it, and larger."""
    live = tmp_path_factory.mktemp("own") / "runs"
    live.mkdir()
    fill(live, seed=1, created="2030-01-01T00:00:00+00:00", scores={"dense": 0.5, "final": 0.5})
    fill(live, seed=2, created="2030-01-02T00:00:00+00:00", task="a-task", hidden=128)
    return Store(store.recorded, live)


def test_the_pinned_run_is_recorded_and_has_something_to_show() -> None:
    recorded = Store(ROOT / "cached_runs", ROOT / "no-such-folder").open(featured.FEATURED).record
    assert recorded.status == "succeeded" and recorded.spec.method == featured.METHOD
    assert recorded.spec.pattern == "2:4" and len(recorded.snapshots) >= 24 and recorded.parent
    assert recorded.spec.knobs["start"] == "dense"  # from the layer-wise solution there would be little to see
    assert (ROOT / "cached_runs" / recorded.parent / HEADER).is_file()


def test_the_pinned_run_wins_and_only_where_it_is_recorded_whole_and_wanted(store: Store) -> None:
    others = [r for r in store.records() if r.spec.method != "dense"]
    poor = record(store, makers.run_named(store, method="asp"))
    pinned = msgspec.structs.replace(poor, id=featured.FEATURED, spec=record(store, makers.run_named(store)).spec)
    best = makers.run_named(store)
    assert featured.default_run([*others, pinned]).id == featured.FEATURED
    assert featured.default_run([pinned, *others], own={featured.FEATURED}).id == best
    assert featured.default_run([pinned, *others], "asp").id == best  # a page that prefers another method
    failed = msgspec.structs.replace(pinned, status="failed")
    assert featured.default_run([failed, *others]).id == best


def test_without_it_the_rule_looks_at_everything_but_the_date(tmp_path: Path) -> None:
    root = makers.empty_store(tmp_path).recorded
    wanted = makers.make_run(root, id="b-first")
    for k, more in enumerate(({"id": "c-equal"}, {"id": "a-grid", "bits": 4}, {"id": "a-steep", "pattern": "1:4"},
                              {"id": "a-other", "method": "nxm-admm"}, {"id": "a-still", "snapshots": 0},
                              {"id": "a-failed", "status": "failed"})):
        makers.make_run(root, created=f"2030-01-0{k + 1}T00:00:00+00:00", **more)
    records = Store(root, root.parent / "runs").records()
    for order in (records, records[::-1]):
        assert featured.default_run(order).id == wanted
        assert featured.default_run(order, "nxm-admm").id == "a-other"
        assert featured.default_run(order, own={wanted}).id == "c-equal"
    assert featured.default_run([r for r in records if r.id == "a-failed"]).id == "a-failed"
    gone = {r.id for r in records} - {"a-failed"}
    assert featured.default_run(records, own=gone).id == wanted  # a failed recorded run shows less than an own one


def test_the_runs_compared_and_the_layers_of_the_lab_are_recorded_ones_first(store: Store, crowded: Store) -> None:
    own = {e.id for e in crowded.entries() if not e.recorded}
    assert choice.telling(crowded.records(), own=own) == choice.telling(store.records())
    assert not set(choice.telling(crowded.records())) <= {r.id for r in store.records()}  # else nothing was tempting
    assert next(iter(source.offered(crowded.records(), own))) == next(iter(source.offered(store.records())))
    assert next(iter(source.offered(crowded.records()))) in own
    mine = record(crowded, next(r for r in own if r.startswith("a-task-tiny-admm-2of4")))
    assert mine.id in choice.telling(crowded.records(), mine, own)  # a person may still ask for their own


@pytest.mark.parametrize("page", OPENED)
def test_no_page_opens_with_a_run_that_a_person_made(store: Store, crowded: Store, monkeypatch: pytest.MonkeyPatch,
                                                     page: str) -> None:
    before = open_page(monkeypatch, store, page).query_params[OPENED[page]]
    after = open_page(monkeypatch, crowded, page).query_params[OPENED[page]]
    assert before and after == before


def test_the_first_page_says_the_same_with_and_without_them(store: Store, crowded: Store,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = (open_page(monkeypatch, each, "overview") for each in (store, crowded))
    assert [m.value for m in after.metric] == [m.value for m in before.metric] != []
    assert said(after) == said(before)
