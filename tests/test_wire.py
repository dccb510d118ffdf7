"""What goes over the wire: packed once, the same content, and a document that knows where the server lies."""

from __future__ import annotations

import asyncio
import gzip
import importlib
from pathlib import Path
from typing import Any

import pytest
import streamlit
from starlette.types import Message, Receive, Scope, Send
from streamlit.web.server.app_discovery import discover_asgi_app

import ui.wire
from ui.pages import PAGES, tab_title
from ui.wire import Wire, told

SCRIPT = b"let here = 1;\n" * 400
FOREVER = (b"cache-control", b"public, immutable, max-age=31536000")
ROOT = Path(__file__).resolve().parents[1]
INDEX = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
Heads = dict[str, str]


class Server:
    """Stands for Streamlit's server: some files, in two pieces each, its document for every other path."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        heads = dict(scope["headers"])
        status, kind, body, cache = 200, b"text/html; charset=utf-8", INDEX.encode(), (b"cache-control", b"no-cache")
        if scope["path"].endswith((".js", ".woff2")):
            kind = b"font/woff2" if scope["path"].endswith(".woff2") else b"text/javascript"
            body, cache = SCRIPT, FOREVER
        if b"range" in heads:
            status, body = 206, body[:7]
        if b"if-none-match" in heads:
            status, body = 304, b""
        raw = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"etag", b'"one"'), cache]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body[:5], "more_body": True})
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": body[5:]})


async def get(app: Any, path: str, method: str = "GET", **heads: str) -> tuple[int, Heads, bytes]:
    got: list[Message] = []

    async def send(message: Message) -> None:
        got.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in heads.items()]
    await app({"type": "http", "method": method, "path": path, "headers": raw}, receive, send)
    heads = {name.decode(): value.decode() for name, value in got[0]["headers"]}
    return got[0]["status"], heads, b"".join(message.get("body", b"") for message in got[1:])


def ask(app: Any, path: str, method: str = "GET", **heads: str) -> tuple[int, Heads, bytes]:
    return asyncio.run(get(app, path, method, **heads))


GZIP = {"accept_encoding": "gzip, deflate, br"}


def test_thirty_browsers_get_one_piece_of_work_and_the_same_content() -> None:
    server = Server()
    wire = Wire(server)

    async def crowd() -> list[tuple[int, Heads, bytes]]:
        return await asyncio.gather(*(get(wire, "/static/js/a.js", **GZIP) for _ in range(30)))

    answers = asyncio.run(crowd())
    assert server.asked == ["/static/js/a.js"]
    for status, heads, body in answers:
        assert status == 200 and gzip.decompress(body) == SCRIPT and len(body) < len(SCRIPT) / 10
        assert heads["content-encoding"] == "gzip" and heads["content-length"] == str(len(body))
        assert heads["vary"] == "Accept-Encoding" and heads["etag"] == 'W/"one"'
        assert "immutable" in heads["cache-control"]


@pytest.mark.parametrize(("path", "method", "heads", "status", "length"), [
    ("/static/js/a.js", "GET", {}, 200, len(SCRIPT)),  # a browser that cannot unpack
    ("/static/js/a.js", "GET", {**GZIP, "range": "bytes=0-6"}, 206, 7),
    ("/static/js/a.js", "GET", {**GZIP, "if_none_match": '"one"'}, 304, 0),
    ("/static/js/a.js", "HEAD", GZIP, 200, len(SCRIPT)),
    ("/static/media/a.woff2", "GET", GZIP, 200, len(SCRIPT)),  # packed by its maker
    ("/static/js/gone", "GET", GZIP, 200, len(INDEX.encode())),  # the document stands for what is not there
    ("/_stcore/health", "GET", GZIP, 200, len(INDEX.encode())),
])
def test_everything_else_goes_through_untouched_and_is_not_kept(path: str, method: str, heads: Heads, status: int,
                                                                length: int) -> None:
    wire = Wire(Server())
    found = ask(wire, path, method, **heads)
    assert found == ask(Server(), path, method, **heads)
    assert (found[0], len(found[2])) == (status, length) and not wire._kept


def test_what_is_kept_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = len(gzip.compress(SCRIPT, 6, mtime=0))
    monkeypatch.setattr(ui.wire, "MOST", 2 * packed)
    server = Server()
    wire = Wire(server)
    for name in ("a", "b", "c", "c", "a"):
        assert gzip.decompress(ask(wire, f"/static/js/{name}.js", **GZIP)[2]) == SCRIPT
    assert list(wire._kept) == ["/static/js/a.js", "/static/js/b.js"] and len(server.asked) == 4


@pytest.mark.parametrize("path", ["/", "/accuracy", "/behind/a/proxy/accuracy"])
def test_a_document_has_its_title_and_says_where_the_server_lies(path: str) -> None:
    for heads in (GZIP, {}, {**GZIP, "if_none_match": '"one"'}):  # the browser's own copy may be an older one
        status, answer, body = ask(Wire(Server()), path, **heads)
        text = (gzip.decompress(body) if heads else body).decode()
        assert status == 200 and "etag" not in answer and answer["content-length"] == str(len(body))
        assert ("content-encoding" in answer) == bool(heads) and answer["cache-control"] == "no-cache"
        title = PAGES["overview" if path == "/" else "accuracy"].title
        assert text.count("<title>") == 1 and f"<title>{title} · SparseScope</title>" in text
        assert ("window.__streamlit" in text) == (path != "/")
        assert text.index("<head>") < text.find("window.__streamlit", 1) < text.index("<script type") or path == "/"


def test_streamlit_run_finds_the_server_with_its_middleware() -> None:
    found = discover_asgi_app(ROOT / "app.py")
    assert found.import_string == "app:app"
    assert [layer.cls for layer in importlib.import_module("app").app._user_middleware] == [Wire]


def test_every_page_is_told_from_the_next_by_its_tab() -> None:
    titles = {told(INDEX, key).partition("<title>")[2].partition("</title>")[0] for key in PAGES}
    assert titles == {tab_title(entry.title) for entry in PAGES.values()} and len(titles) == len(PAGES)
