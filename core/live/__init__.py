"""Live runs: who asked for what, what is running, what became of it. Files on disk are the only state.

    <live root>/.queue/<time>-<viewer>-<digest>.json     a ticket: somebody waits for a run
    <live root>/.work/<run id>/worker.json               a worker was started for it: process, ticket, moment
                               progress.json             what the worker last said of itself
                               worker.log                what it printed
                               cancel                    somebody asked it to stop
                               end.json                  what became of it

A worker is the headless command in a process of its own: it outlives the server that started it, and whoever calls
`core.live.serving.serve_once` next, in whatever process, carries on from these files: a page, the server's own thread
or the command `work` (`core.live.polling`). No torch here: pages import this.
"""
