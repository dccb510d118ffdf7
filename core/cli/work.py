"""`work`: serve the queue of live runs without a dashboard. No torch: every run is a process of its own."""

from __future__ import annotations

import click
import msgspec

from core.cli.output import json_option, note, printable
from core.cli.progress import stoppable
from core.live import workers
from core.live.polling import News, Poller, serve
from core.runs.store import default_store

WORDS = {"running": "started", "succeeded": "done"}


def line_of(news: News) -> str:
    """One piece of news on one line, with the last line of the reason."""
    words = WORDS.get(news.state, news.state)
    reason = (news.reason.strip().splitlines() or [""])[-1][:200]
    return printable(f"{words}: {news.run}" + (f": {reason}" if reason else ""))


@click.command("work")
@click.option("--once", is_flag=True, help="Look once: note what ended, start what may start, and leave.")
@click.option("--until-empty", is_flag=True, help="Leave when nothing waits and nothing goes on.")
@json_option
def work_command(once: bool, until_empty: bool, as_json: bool) -> None:
    """Serve the queue of live runs, with no dashboard open.

    Starts what was asked for on the page Run, viewers in turn, at most half the cores' number at once
    (SPARSESCOPE_WORKERS says another number), and notes within a second what ended. Ctrl-C ends the serving; what runs
    goes on, and the next `work` or dashboard finds it. With --json, one object a line.

    \b
    Example:
      python -m core work --until-empty
    """
    store = default_store()

    def tell(news: News) -> None:
        click.echo(msgspec.json.encode(news).decode() if as_json else line_of(news))

    if once:
        for news in Poller(store).poll():
            tell(news)
        return
    try:
        with stoppable():
            serve(store, tell, until_empty=until_empty)
    except KeyboardInterrupt as end:
        going = len(workers.active(store))
        words = f"Stopped serving. {going} run{'' if going == 1 else 's'} going on."
        if not end.args:  # Ctrl-C, and no service manager that asked politely
            raise KeyboardInterrupt(words) from None
        note(words)
