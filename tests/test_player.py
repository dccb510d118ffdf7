"""The player: steps, plays, scrubs, and says where it stands in the link."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from ui import player


def script(last: int) -> None:
    import streamlit as st

    from core.errors import InputError
    from ui import player

    st.session_state.setdefault("pages", 0)
    st.session_state["pages"] += 1

    def draw(k: int) -> None:
        if k == 7:
            raise InputError("Moment 7", "another", "Go on.")
        st.text(f"drawn {k}")

    st.slider("Knob", 0, 9, key="knob")
    player.show(draw, st.session_state.get("last", last))


def opened(last: int = 5, **query: str) -> AppTest:
    app = AppTest.from_function(script, kwargs={"last": last}, default_timeout=30)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def press(app: AppTest, name: str) -> AppTest:
    app.button(key=f"player.k.{name}").click().run()
    assert not app.exception
    return app


def scrubber(app: AppTest) -> Any:
    return next(s for s in app.slider if s.key.startswith("player.k.slider"))


def drawn(app: AppTest) -> list[int]:
    return [int(t.value.removeprefix("drawn ")) for t in app.text]


def link(app: AppTest) -> Any:
    value = app.query_params.get("k")
    return value[0] if isinstance(value, list) else value


def timers(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """The `run_every` of every fragment that the next run of the page makes."""
    import streamlit as st

    made: list[float | None] = []
    real = st.fragment

    def noted(body: Any, *, run_every: float | None = None) -> Any:
        made.append(run_every)
        return real(body, run_every=run_every)

    with monkeypatch.context() as patch:
        patch.setattr(st, "fragment", noted)
        app.run()
    return made


def test_it_opens_at_the_last_moment_and_the_link_is_silent() -> None:
    app = opened(5)
    assert drawn(app) == [5] and link(app) is None
    assert "Iteration 5 of 5" in [m.value for m in app.markdown]


def test_start_back_and_on_move_by_one_and_write_the_link() -> None:
    app = press(opened(5), "start")
    assert drawn(app) == [0] and link(app) == "0"
    assert app.button(key="player.k.back").disabled and app.button(key="player.k.start").disabled
    assert drawn(press(app, "on")) == [1] and link(app) == "1"
    assert drawn(press(press(app, "on"), "back")) == [1]


def test_the_last_moment_leaves_the_link() -> None:
    app = press(opened(5, k="4"), "on")
    assert drawn(app) == [5] and link(app) is None and app.button(key="player.k.on").disabled


def test_a_link_opens_its_moment_and_the_slider_stands_there() -> None:
    app = opened(5, k="3")
    assert drawn(app) == [3] and scrubber(app).value == 3


def test_scrubbing_draws_and_writes_the_link() -> None:
    app = opened(5)
    scrubber(app).set_value(2).run()
    assert drawn(app) == [2] and link(app) == "2"


def test_play_from_the_end_starts_at_the_start_and_every_tick_goes_one_on(monkeypatch: pytest.MonkeyPatch) -> None:
    app = press(opened(3), "play")
    assert drawn(app) == [0]
    assert drawn(app.run()) == [1] and link(app) is None  # the link stands still while playing
    assert [t for t in timers(app, monkeypatch) if t] == [0.8] and drawn(app) == [2]
    app.run()
    assert drawn(app) == [3] and link(app) is None
    assert timers(app, monkeypatch) == [None] and drawn(app) == [3]  # no timer is left
    assert app.button(key="player.k.play").label == "Play"


def test_play_goes_on_from_where_it_stands_and_pause_keeps_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    app = press(opened(9, k="2"), "play")
    assert drawn(app) == [2] and app.button(key="player.k.play").label == "Pause"
    app.run()
    press(app, "play")
    assert drawn(app) == [3] and link(app) == "3"
    assert timers(app, monkeypatch) == [None] and drawn(app) == [3]


def test_a_knob_moved_while_playing_does_not_end_it() -> None:
    app = press(opened(9, k="2"), "play")
    app.slider(key="knob").set_value(4).run()
    assert drawn(app) == [3] and app.button(key="player.k.play").label == "Pause"


def test_a_slider_that_lags_a_tick_behind_does_not_pull_the_moment_back() -> None:
    """A slow browser answers a tick with the slider as it stood before."""
    app = press(opened(9, k="2"), "play")
    app.run()
    late = scrubber(app)
    app.run()
    assert drawn(app) == [4]
    late.set_value(2).run()
    assert drawn(app) == [5] and app.button(key="player.k.play").label == "Pause"


def test_a_tick_that_comes_late_brings_no_old_link_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick carries the link as the browser knew it: after the end, or a pause, that is the one of before."""
    app = press(opened(4, k="3"), "play")
    app.run()
    assert drawn(app) == [4] and link(app) is None
    app.query_params["k"] = "3"
    assert drawn(app.run()) == [4] and link(app) is None
    assert drawn(press(app, "back")) == [3] and drawn(press(app, "back")) == [2]
    app.query_params["k"] = "3"
    assert drawn(app.run()) == [2] and link(app) == "2"
    monkeypatch.setattr(player, "GRACE", 0.0)
    app = press(press(opened(9, k="3"), "play").run(), "play")
    assert drawn(app) == [4] and link(app) == "4"
    app.query_params["k"] = "3"
    assert drawn(app.run()) == [3]  # a link of later counts again


@pytest.mark.parametrize("move", ["on", "back", "start"])
def test_a_step_while_playing_pauses(monkeypatch: pytest.MonkeyPatch, move: str) -> None:
    app = press(press(opened(9, k="4"), "play"), move)
    assert drawn(app) == [{"on": 5, "back": 3, "start": 0}[move]]
    assert timers(app, monkeypatch) == [None]


def test_another_link_while_playing_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    app = press(opened(9, k="4"), "play")
    app.query_params["k"] = "1"
    assert timers(app, monkeypatch) == [None] and drawn(app) == [1]


def test_the_moment_is_moved_inside_when_the_last_shrinks() -> None:
    app = opened(9, k="8")
    app.session_state["last"] = 5
    assert drawn(app.run()) == [5]
    assert link(app) is None
    app = press(opened(9, k="6"), "play")
    app.session_state["last"] = 3
    app.run()
    assert drawn(app) == [3] and not app.exception and app.button(key="player.k.play").label == "Play"


@pytest.mark.parametrize(("asked", "moment"), [("-4", 0), ("99999999999999999999", 5), ("5", 5)])
def test_a_moment_outside_is_moved_inside(asked: str, moment: int) -> None:
    app = opened(5, k=asked)
    assert drawn(app) == [moment] and not app.error


@pytest.mark.parametrize("asked", ["many", "2.5", "", "nan", "<b>"])
def test_a_moment_that_is_no_number_gets_a_red_box_and_the_picture_stays(asked: str) -> None:
    app = opened(5, k=asked)
    assert "is no whole number" in app.error[0].value and "0 to 5" in app.error[0].value
    assert drawn(app) == [5]
    assert drawn(press(app, "back")) == [4] and not app.error  # a move mends the link


def test_a_mistake_in_a_picture_leaves_the_controls() -> None:
    app = opened(9, k="7")
    assert "Moment 7" in app.error[0].value
    assert drawn(press(app, "on")) == [8] and not app.error


def test_one_moment_has_nothing_to_play() -> None:
    app = opened(0)
    assert drawn(app) == [0] and [s.key for s in app.slider] == ["knob"] and not app.button
