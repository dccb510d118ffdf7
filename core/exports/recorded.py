"""The pictures of recorded runs, each from what a link asks for: the views, and the defaults, of the pages."""

from __future__ import annotations

from typing import cast

from core.cost import records
from core.errors import InputError
from core.evidence.single import Versus
from core.exports.asked import Asked
from core.runs.store import Run
from core.views.activations import (
    all_layers,
    attention_map,
    magnitudes,
    one_layer,
    quiet_price,
    quiet_time,
    region_film,
)
from core.views.activations import chain as chains
from core.views.compare import choice, flip_dots, flips, same_matrix
from core.views.cost import savings as costs_saved
from core.views.cost import sizes as costs_sizes
from core.views.cost import source as costs
from core.views.cost import times as costs_times
from core.views.drawing.view import View
from core.views.film import copies, opening, regions, wall, watch
from core.views.film.reel import Film
from core.views.patterns import certificate as certificates
from core.views.patterns import library_block, library_map, occupancy_map, occupancy_strip
from core.views.patterns import library_cost as costs_library
from core.views.patterns import library_source as source
from core.views.scores import stages, trace_curves
from core.views.weights import before_after, modelmap, moving, pair
from core.views.weights import tile as tiles

# -- films -------------------------------------------------------------------------------------------------------


def opening_film(asked: Asked) -> Film | None:
    return opening.film(asked.run())


def watch_film(asked: Asked) -> Film | None:
    run = asked.run()
    return watch.film(run, asked.matrix(run), *_place(asked))


def wall_film(asked: Asked) -> Film | None:
    run, beside = asked.run(), asked.query.get("beside")
    return wall.between([run, asked.store.open(beside)]) if beside else wall.alone(run)


def _place(asked: Asked) -> tuple[int, int]:
    return copies.place(asked.query.get("row"), asked.query.get("column"))


# -- weights -----------------------------------------------------------------------------------------------------


def maps_film(asked: Asked) -> Film | None:
    run = asked.run()
    matrix = asked.matrix(run)
    shows = moving.shows(run, matrix)
    if not shows:
        return None
    what = asked.choice("show", shows)
    return moving.film(run, matrix, what, *_place(asked), asked.query.get("difference") == "10")


def maps(asked: Asked) -> View:
    """At the end, or at the moment of the film that the link names."""
    run = asked.run()
    matrix = asked.matrix(run)
    moment = moving.moment_of(run, matrix, asked.number("k", 0)) if "k" in asked.query else pair.FINAL
    what = cast(pair.What, asked.choice("show", moving.shows(run, matrix) or ["w"]))
    return before_after.panels(run, matrix, moment, what, asked.query.get("zoom") == "on", *_place(asked),
                               asked.query.get("difference") == "10")


def tile(asked: Asked) -> View:
    run = asked.run()
    return tiles.tile(run, asked.matrix(run), *_place(asked))


def histogram(asked: Asked) -> View:
    run = asked.run()
    return tiles.histogram(run, asked.matrix(run))


def model_map(asked: Asked) -> View:
    run = asked.run()
    return modelmap.model_map(run, asked.choice("figure", list(modelmap.FIGURES)), asked.matrix(run))


# -- activations -------------------------------------------------------------------------------------------------


def _read(asked: Asked) -> tuple[Run, str, str, int]:
    """The run, the sentence, the feature map, the layer."""
    run = asked.run("pattern-admm")
    probes = [p.id for p in run.record.probes]
    if not probes:
        raise InputError(f"{run.record.id} keeps no probe sentences", "a run of record level masks or more",
                         "Name another run.")
    probe = asked.choice("sentence", probes)
    name = asked.choice("map", region_film.maps_of(run, probe), region_film.usual_map(run, probe))
    return run, probe, name, asked.layer(run)


def chain(asked: Asked) -> View:
    return chains.chain(*_read(asked))


def layers(asked: Asked) -> View:
    return all_layers.glance(*_read(asked))


def layers_film(asked: Asked) -> Film | None:
    return regions.film(*_read(asked)[:3])


def layer(asked: Asked) -> View:
    return one_layer.one_layer(*_read(asked))


def attention(asked: Asked) -> View:
    run, probe, _, at = _read(asked)
    return attention_map.attention(run, probe, max(at, 1), asked.number("head", 1, 1, run.record.heads))


def quiet(asked: Asked) -> View:
    return quiet_time.over_time(*_read(asked))


def trade(asked: Asked) -> View:
    run, _, name, _ = _read(asked)
    spec = run.record.spec
    return quiet_price.trade(asked.records, Versus(asked.cells), spec.task, spec.model, spec.pattern, name,
                             run.record.id)


def sizes(asked: Asked) -> View:
    return magnitudes.sizes(*_read(asked))


# -- occupancy and patterns --------------------------------------------------------------------------------------


def _counted(asked: Asked) -> tuple[Run, str, int]:
    run = asked.run()
    matrix = asked.matrix(run)
    return run, matrix, asked.number("share", occupancy_map.usual_share(run, matrix), 1, 100)


def groups(asked: Asked) -> View:
    return occupancy_map.group_maps(*_counted(asked))


def history(asked: Asked) -> View:
    return occupancy_map.history(*_counted(asked))


def certificate(asked: Asked) -> View:
    return certificates.certificate(asked.run())


def strip(asked: Asked) -> View:
    return occupancy_strip.strip(asked.run())


def _library(asked: Asked) -> tuple[Run, str, str, str, int]:
    """The run, the matrix, the block, what its supports are learned from, and how many there are."""
    run = asked.run()
    if words := source.nothing_to_learn(run):
        raise InputError(words.rstrip("."), "a run that keeps what a library is learned from", "Name another run.")
    matrix = asked.matrix(run)
    block = asked.choice("block", source.shapes(run, matrix))
    learned = asked.choice("learned", source.sources(run, block))
    most = source.most(run, matrix, block, learned)
    usual = most if learned == source.RUN else asked.number("supports", min(source.USUAL, most), 1, most)
    return run, matrix, block, learned, usual


def block_map(asked: Asked) -> View:
    found = _library(asked)
    return library_map.block_map(*found, asked.number("support", 0, 0, found[-1]))


def library(asked: Asked) -> View:
    found = _library(asked)
    return library_map.legend(*found, asked.number("support", 0, 0, found[-1]))


def _block(asked: Asked) -> tuple[Run, str, str, str, int, int, int]:
    """`_library`, and the row and column of one block."""
    found = _library(asked)
    last = library_block.reach(*found[:3])
    return (*found, asked.number("down", 0, 0, last.down), asked.number("across", 0, 0, last.across))


def close_up(asked: Asked) -> View:
    return library_block.close_up(*_block(asked))


def ranking(asked: Asked) -> View:
    return library_block.ranking(*_block(asked))


def library_cost(asked: Asked) -> View:
    return costs_library.cost(*_library(asked))


# -- the trace ---------------------------------------------------------------------------------------------------------


def timeline(asked: Asked) -> View:
    return trace_curves.timeline(asked.run())


def waterfall(asked: Asked) -> View:
    return stages.waterfall(asked.run())


def drop(asked: Asked) -> View:
    return stages.drop(asked.records, asked.run().record.id)


# -- cost and comparison -----------------------------------------------------------------------------------------


def _measured(asked: Asked) -> tuple[Run, costs.Stamp]:
    run = asked.run()
    return run, records.stamp_of(records.place_of(asked.store, run.record.id))


def savings(asked: Asked) -> View:
    return costs_saved.picture(*_measured(asked))


def bytes_kept(asked: Asked) -> View:
    return costs_sizes.picture(*_measured(asked))


def times(asked: Asked) -> View:
    run, stamp = _measured(asked)
    if not costs.timed(stamp):
        raise InputError(f"{run.record.id} was not timed", "a run whose cost was measured",
                         f"Measure it: python -m core cost {run.record.id}.")
    return costs_times.picture(run, stamp)


def _side_by_side(asked: Asked) -> tuple[list[Run], str]:
    """Two to four runs, the reference first, and a matrix that all have."""
    from core.views.compare.sides import matrices

    ids = choice.parse(asked.query["runs"]) if "runs" in asked.query else \
        choice.telling(asked.records, asked.run().record, asked.own)
    runs = [asked.store.open(run_id) for run_id in ids[:choice.MOST]]
    if len(runs) < 2:
        raise InputError("A comparison takes two to four runs", "--set runs=ID,ID", "Name them.")
    return runs, asked.choice("matrix", matrices(runs) or [""])


def compared_maps(asked: Asked) -> View:
    runs, matrix = _side_by_side(asked)
    return same_matrix.panels(runs, matrix, asked.query.get("zoom") == "on", *_place(asked))


def compared_differences(asked: Asked) -> View:
    runs, matrix = _side_by_side(asked)
    return same_matrix.differences(runs, matrix, asked.choice("by", list(same_matrix.AGAINST)),
                                   asked.query.get("zoom") == "on", *_place(asked))


def compared_margins(asked: Asked) -> View:
    runs, _ = _side_by_side(asked)
    across = asked.choice("flips", list(flip_dots.ACROSS))
    return flip_dots.scatter(runs, asked.choice("against", flips.comparable(runs)), across)


def compared_flips(asked: Asked) -> View:
    return flips.bars(_side_by_side(asked)[0])
