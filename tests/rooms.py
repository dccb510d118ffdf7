"""What every room of the house may import, and which rooms load nothing heavy: the rules of `test_structure.py`."""

from __future__ import annotations

COST = ("core.cost.records", "core.cost.summary", "core.cost.forms", "core.cost.flops")  # what was measured, not how
LIGHT = ("core.errors", "core.demo", "core.methods.cards", "core.methods.knobs", "core.methods.knob_sets",
         "core.methods.unit_knobs", "core.runs",
         "core.lab.choices_layer", "core.views",
         "core.sparsity.patterns", "core.sparsity.kinds", "core.sparsity.parsing", "core.sparsity.occupancy",
         "core.sparsity.verify", "core.sparsity.library", "core.runs.names", "core.inspecting", "core.live",
         "core.running.progress", "core.specs", "core.statistics", "core.evidence", "core.lessons", "core.decks",
         *COST, "ui", "pages", "app", "core.exports.names", "core.exports.html", "core.exports.colours",
         "sparsescope.recorded")

# What a part of the house may import of the rest of it (docs/architecture.md). A name ending in "!" is that module
# alone, not what is inside the package: the lists of names without the code behind them.
NUMPY_SPARSITY = ("core.sparsity!", "core.sparsity.patterns", "core.sparsity.occupancy", "core.sparsity.verify",
                  "core.sparsity.library", "core.sparsity.library_pattern", "core.sparsity.grids",
                  "core.sparsity.storage", "core.sparsity.units", "core.sparsity.verify_units")
LISTS = ("core.tasks.loading", "core.methods!", "core.methods.cards", "core.methods.knobs", "core.tasks!")
RESULTS = ("core.lab!", "core.lab.results_plane", "core.lab.results_group", "core.lab.results_layer")
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "core.errors": (),
    "core.demo": ("core.errors",),
    "core.sparsity": ("core.errors",),
    "core.runs": ("core.errors", "core.runs.names", "core.statistics.measures", *NUMPY_SPARSITY),
    "core.inspecting": ("core.errors", "core.runs.names", "core.sparsity.cells", "core.sparsity.grouping",
                        *NUMPY_SPARSITY),
    "core.tasks": ("core.errors", "core.demo", "core.runs.disk", "core.runs.store", "core.statistics.measures"),
    "core.methods": ("core.errors", "core.sparsity", "core.runs.heaps", "core.runs.regions", "core.inside",
                     "core.surgery"),
    "core.surgery": ("core.errors", "core.models", "core.runs.anatomy", "core.sparsity"),
    "core.lab": ("core.errors", "core.demo", "core.runs", "core.sparsity", "core.methods", "core.inside", "core.models",
                 "core.tasks", "core.surgery"),
    "core.lessons": ("core.errors",),
    "core.decks": ("core.errors", "core.lessons"),
    "core.live": ("core.errors", "core.demo", "core.models", "core.runs", "core.specs", "core.running.progress",
                  *NUMPY_SPARSITY, *LISTS),
    "core.statistics": (),
    "core.engines": ("core.errors", "core.live.estimates", "core.models.checkpoints", "core.running!",
                     "core.running.pipeline", "core.running.progress", "core.running.shared", "core.runs",
                     "core.specs"),
    "core.cost": ("core.errors", "core.runs", "core.statistics", "core.models", "core.surgery",
                  "core.running.environment", "core.sparsity.parsing", "core.sparsity.pattern", "core.sparsity.kinds",
                  "core.sparsity.budget", "core.sparsity.units", *NUMPY_SPARSITY),
    "core.evidence": ("core.errors", "core.runs", "core.statistics", "core.sparsity.parsing", *NUMPY_SPARSITY, *LISTS),
    "core.publishing": ("core.errors", "core.evidence", "core.runs", "core.models!", "core.statistics", *NUMPY_SPARSITY,
                    *LISTS),
    "core.views": ("core.errors", "core.evidence", "core.inspecting", "core.runs.names", "core.runs",
                   "core.specs.settings", "core.statistics", "core.cost!", *COST, *NUMPY_SPARSITY, *LISTS, *RESULTS),
    "core.exports": ("core.errors", "core.decks", "core.evidence", "core.lab", "core.runs", "core.views", "core.cost!",
                     *COST),
    "ui": ("core.errors", "core.exports!", "core.exports.names", "core.exports.html", "core.exports.decks",
           "core.evidence",
           "core.sparsity.parsing", "core.demo", "core.runs", "core.views",
           "core.lessons", "core.decks", "core.lab!", "core.specs.settings",
           "core.lab.reading_group", "core.inspecting", "core.live", "core.models!", "core.models.named",
           "core.lab.sentence", "core.tasks.probes", "core.tasks.own", "core.tasks.preparing", "core.tasks.labels",
           "core.tasks.tables",
           "core.cost!", *COST, *NUMPY_SPARSITY, *LISTS),
    "pages": ("ui", "core.errors", "core.evidence", "core.runs", "core.views", "core.lab", "core.lessons",
              "core.inspecting", "core.live", "core.lab.sentence", "core.cost!", *COST,
              *NUMPY_SPARSITY, *LISTS),
    "app": ("ui", "core.errors", "core.runs.roots"),
    "sparsescope": ("core.errors", "core.exports.pictures", "core.methods!", "core.running.in_memory",
                    "core.running.progress", "core.runs", "core.views"),
}
