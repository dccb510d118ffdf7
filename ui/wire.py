"""What a browser fetches on its first visit: packed, and without asking in vain.

Streamlit hands its own files out as they lie there, because packing them at every request costs more than it saves.
Their names change with their content, so each is packed once here, when it is first asked for, and kept: thirty
browsers get one piece of work. And a page opened by its link does not know under which address the server lies: it
asks below its own path first, twice in vain. Here it is told.

    app = st.App(__file__, middleware=[Middleware(Wire)])
"""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import dataclass, replace
from html import escape

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.pages import PAGES, tab_title

STATIC = "/static/"  # Streamlit's own files
WORDS = ("javascript", "css", "json", "svg", "html")  # what shrinks; fonts and pictures are packed already
MOST = 16_000_000  # packed bytes kept at most: all of Streamlit's files need a third of it
LEVEL = 6  # 9 takes three times as long for one byte of a hundred
TITLE = "<title>Streamlit</title>"


@dataclass(frozen=True)
class Answer:
    """A whole answer of the server: what a browser must know of it, and its bytes."""

    status: int
    headers: Headers
    body: bytes

    def whole(self, *kinds: str) -> bool:
        """Is it a good answer, as it lies there, of one of these *kinds* of content?"""
        return (self.status == 200 and "content-encoding" not in self.headers
                and any(kind in self.headers.get("content-type", "") for kind in kinds))

    def packed(self) -> Answer:
        """The same content in fewer bytes. Its mark is a weak one: the bytes are others."""
        mark = {"etag": f"W/{self.headers['etag'].removeprefix('W/')}"} if "etag" in self.headers else {}
        body = gzip.compress(self.body, LEVEL, mtime=0)
        headers = _only(self.headers, "content-type", "cache-control", "last-modified") | mark | {
            "content-encoding": "gzip", "vary": "Accept-Encoding", "content-length": str(len(body))}
        return replace(self, headers=Headers(headers), body=body)

    async def give(self, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers.raw})
        await send({"type": "http.response.body", "body": self.body})


def _only(headers: Headers, *names: str) -> dict[str, str]:
    return {name: headers[name] for name in names if name in headers}


class Wire:
    """ASGI middleware around Streamlit's server. Whatever it does not know goes through untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: dict[str, Answer] = {}
        self._one = asyncio.Lock()  # thirty browsers ask for the same file at once: one of them packs it

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            return await self._app(scope, receive, send)
        asked = Headers(scope=scope)
        small = "gzip" in asked.get("accept-encoding", "")
        page = scope["path"].rstrip("/").rpartition("/")[2]
        if STATIC in scope["path"]:
            conditional = "range" in asked or "if-none-match" in asked
            answer = await self._file(scope, receive) if small and not conditional else None
        else:
            answer = await self._document(scope, receive, page, small) if page in ("", *PAGES) else None
        await (answer.give(send) if answer else self._app(scope, receive, send))

    async def _file(self, scope: Scope, receive: Receive) -> Answer | None:
        """A file packed, if the server says that it never changes; None: as the server gives it."""
        path = scope["path"]
        async with self._one:
            if path not in self._kept:
                found = await self._answer(scope, receive)
                if not found.whole(*WORDS) or "immutable" not in found.headers.get("cache-control", ""):
                    return None
                found = await asyncio.to_thread(found.packed)
                if sum(len(kept.body) for kept in self._kept.values()) + len(found.body) > MOST:
                    return found
                self._kept[path] = found
            return self._kept[path]

    async def _document(self, scope: Scope, receive: Receive, page: str, small: bool) -> Answer | None:
        """The page's first document, with its own title and the server's address in it."""
        found = await self._answer(scope, receive)
        if not found.whole("text/html"):
            return None
        body = told(found.body.decode(), page).encode()
        headers = _only(found.headers, "content-type", "cache-control") | {"content-length": str(len(body))}
        made = Answer(200, Headers(headers), body)
        return made.packed() if small else made

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        """What the server answers to a browser that takes only whole, plain files."""
        status, headers, body = 0, Headers(), bytearray()
        plain = [(name, value) for name, value in scope["headers"]
                 if name not in (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")]

        async def keep(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], Headers(raw=message.get("headers", []))
            elif message["type"] == "http.response.body":
                body.extend(message.get("body", b""))

        await self._app({**scope, "headers": plain, "extensions": {}}, receive, keep)
        return Answer(status, headers, bytes(body))


def told(document: str, page: str) -> str:
    """Streamlit's *document* for the page of key *page* ("" the first): its title, and where the server lies.

    The address is what stands before the page's key in the browser's own: a proxy may have put something before it.
    """
    entry = PAGES.get(page or "overview")
    if entry is not None:
        document = document.replace(TITLE, f"<title>{escape(tab_title(entry.title))}</title>", 1)
    if not page:
        return document
    where = (f"location.origin + location.pathname.slice(0, location.pathname.lastIndexOf({json.dumps('/' + page)}) "
             "+ 1)")
    return document.replace(
        "<head>", f"<head><script>window.__streamlit = {{BACKEND_BASE_URL: {where}}};</script>", 1)
