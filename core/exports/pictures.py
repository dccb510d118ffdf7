"""PICTURES: the one list of what can be taken out of the pages by name, for paper, files and decks.

    still(called("trace.timeline"), Asked(store, {"run": "..."}))     # -> View, as paper shows it
    made(of_page("watch"), Asked(store, {}))                          # the first picture of a page -> Film
    of_run(run, "trace.timeline")                                     # -> View of a run at hand

A name is the page and the key of the figure on it, so a link of the app (page, query, `look`) names one too. Some
pictures stand still, some are films, some are both: then a page shows the film, and paper the view.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.errors import InputError, unknown
from core.exports import recorded, scored, touched
from core.exports.asked import Asked, Heard
from core.runs.store import Run, default_store
from core.views.drawing.view import View
from core.views.film.reel import Film

MOMENT = "k"  # the moment of a film in a link


@dataclass(frozen=True)
class Picture:
    """One figure of one page. *view* draws it still, *film* in motion (None where a run keeps no moments). *alone*: it
    shows one run and asks for nothing beside it, so that programs can have it of a run that lies in no store. *free*:
    it shows no run of its own, so none has to be named."""

    page: str
    key: str
    title: str
    view: Callable[[Asked], View] | None = None
    film: Callable[[Asked], Film | None] | None = None
    alone: bool = False
    free: bool = False

    @property
    def name(self) -> str:
        """How it is named on the command line."""
        return f"{self.page}.{self.key}"


PICTURES: dict[str, Picture] = {
    picture.name: picture
    for picture in (
        Picture("overview", "overview", "One matrix on its way", film=recorded.opening_film),
        Picture("watch", "watch", "One matrix, and all that changes with it", film=recorded.watch_film),
        Picture("watch", "wall", "Every matrix of the model", film=recorded.wall_film),
        Picture("weights", "maps", "A matrix before and after", recorded.maps, recorded.maps_film, alone=True),
        Picture("weights", "tile", "Sixteen by sixteen weights in numbers", recorded.tile, alone=True),
        Picture("weights", "histogram", "The weights by size, before and after", recorded.histogram, alone=True),
        Picture("weights", "model", "All matrices by one figure", recorded.model_map, alone=True),
        Picture("activations", "chain", "Mask, activation and answer", recorded.chain, alone=True),
        Picture("activations", "layers", "All layers at a glance", recorded.layers, recorded.layers_film, alone=True),
        Picture("activations", "layer", "One layer, token by token", recorded.layer, alone=True),
        Picture("activations", "attention", "The attention of one head", recorded.attention, alone=True),
        Picture("activations", "sizes", "How large activations are", recorded.sizes, alone=True),
        Picture("activations", "time", "How regions fall quiet", recorded.quiet, alone=True),
        Picture("activations", "trade", "What quiet regions cost", recorded.trade),
        Picture("occupancy", "groups", "How many weights of every group matter", recorded.groups, alone=True),
        Picture("occupancy", "certificate", "The certificate", recorded.certificate, alone=True),
        Picture("occupancy", "history", "From ragged to exact", recorded.history, alone=True),
        Picture("occupancy", "strip", "All matrices, group by group", recorded.strip, alone=True),
        Picture("patterns", "map", "Which support every block takes", recorded.block_map, alone=True),
        Picture("patterns", "library", "The supports of the library", recorded.library, alone=True),
        Picture("patterns", "block", "One block in numbers", recorded.close_up, alone=True),
        Picture("patterns", "ranking", "How well each support would do for a block", recorded.ranking, alone=True),
        Picture("patterns", "cost", "What a small library costs", recorded.library_cost, alone=True),
        Picture("accuracy", "curve", "A score over the share of zeros", scored.curve, free=True),
        Picture("accuracy", "forest", "Methods at one pattern, with intervals", scored.forest, free=True),
        Picture("accuracy", "across", "ADMM against other training, pattern by pattern", scored.across, free=True),
        Picture("accuracy", "tasks", "All tasks side by side", scored.tasks, free=True),
        Picture("accuracy", "helps", "What helps ADMM", scored.helped, free=True),
        Picture("cost", "savings", "How many times less of everything", recorded.savings),
        Picture("cost", "sizes", "Bytes", recorded.bytes_kept),
        Picture("cost", "times", "Time", recorded.times),
        Picture("compare", "maps", "The same matrix in several runs", recorded.compared_maps),
        Picture("compare", "differences", "What differs from the reference", recorded.compared_differences),
        Picture("compare", "flips", "Answers that flipped", recorded.compared_flips),
        Picture("compare", "margins", "By what margin answers flipped", recorded.compared_margins),
        Picture("trace", "timeline", "Residuals, rho, flips and score over the steps", recorded.timeline, alone=True),
        Picture("trace", "waterfall", "The score from dense to final", recorded.waterfall, alone=True),
        Picture("trace", "drop", "What the hard prune took", recorded.drop),
        Picture("plane", "plane", "ADMM in two dimensions", film=touched.plane, free=True),
        Picture("projection", "group", "One group of weights", film=touched.group, free=True),
        Picture("projection", "block", "One block under a library", touched.block, free=True),
        Picture("projection", "patterns", "The supports of a library", touched.patterns, free=True),
        Picture("lab", "maps", "One real layer, solved", film=touched.lab),
    )
}


def called(name: str) -> Picture:
    """The picture of that *name*. Raises InputError with the closest one."""
    if name not in PICTURES:
        raise unknown("view", name, PICTURES)
    return PICTURES[name]


def of_page(page: str, look: str = "") -> Picture:
    """The picture *look* of *page*; "" for its first. Raises InputError for a page or a picture that is not listed."""
    keys = [picture.key for picture in PICTURES.values() if picture.page == page]
    if not keys:
        raise unknown("page with a picture", page, sorted({picture.page for picture in PICTURES.values()}))
    if look and look not in keys:
        raise unknown(f"picture of {page}", look, keys)
    return PICTURES[f"{page}.{look or keys[0]}"]


def made(picture: Picture, asked: Asked) -> View | Film:
    """*picture* as a page shows it: the film where there is one. Raises InputError when nothing can be drawn."""
    found: View | Film | None = picture.film(asked) if picture.film is not None else None
    if found is None and picture.view is not None:
        found = picture.view(asked)
    if found is None:
        raise InputError(f"{picture.name} has nothing to play: this run kept no moments", "a run with a film",
                         "Name another run, or make it with --film.")
    return found


def opens_with(asked: Asked) -> int | None:
    """The moment that a link names for its film; None where it names none."""
    return asked.number(MOMENT, 0) if MOMENT in asked.query else None


def still(picture: Picture, asked: Asked) -> View:
    """*picture* as paper shows it. Raises InputError where it only moves, and where the run keeps nothing of it."""
    if picture.view is None:
        raise InputError(f"{picture.name} is a film", "a picture that stands still, or a file ending in .html",
                         "Write it to a .html file, or draw weights.maps: --set k=MOMENT is a moment of its film.")
    view = picture.view(asked)
    if view.figure is None:
        raise InputError(f"{picture.name} has nothing to draw: {view.claim}", "a run that keeps more", "Name another.")
    return view


def of_run(run: Run, name: str, matrix: str | None = None, **choices: str | int) -> View:
    """The picture *name* of *run*, wherever that lies; of its first matrix, where it is of a matrix and none is named.
    *choices*: the knobs of its page, by their names in a link.

    Raises InputError for a name that is not `alone` in PICTURES, for a matrix, a knob or a value that there is not, for
    a run that keeps nothing of it, and for damaged arrays.
    """
    if name not in PICTURES or not PICTURES[name].alone:
        raise unknown("view", name, [picture.name for picture in PICTURES.values() if picture.alone])
    draw = PICTURES[name].view
    assert draw is not None
    query = Heard({key: str(value) for key, value in choices.items()} | ({} if matrix is None else {"matrix": matrix}))
    view = draw(Asked(default_store(), query, run))
    if unheard := [key for key in query if key not in query.heard]:
        raise InputError(f"View {name!r} with {unheard[0][:40]!r}", f"what {name} lets one choose", "Leave it out.")
    return view
