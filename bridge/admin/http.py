"""The operator's own port: /health, /ready, /metrics and one read-only page, /status."""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bridge import metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What /status shows. `figures` are (what, value) pairs; `puppets` (name, user id) pairs;
    `usage` (who, how much) pairs."""

    is_ready: bool
    waiting_for: str
    version: str
    engine: str
    homeserver: str
    uptime_s: int
    puppets: Sequence[tuple[str, str]] = ()
    figures: Sequence[tuple[str, str]] = field(default_factory=tuple[tuple[str, str], ...])
    usage: Sequence[tuple[str, str]] = field(default_factory=tuple[tuple[str, str], ...])


_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="10">
<title>Matrix AI Bridge</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
body {{ max-width: 46rem; margin: 2.5rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; margin: 0 0 .25rem; }}
h2 {{ font-size: 1rem; margin: 2rem 0 .5rem; }}
.state {{ display: inline-block; padding: .1rem .7rem; border-radius: 1rem; font-weight: 600;
  background: {colour}; color: #fff; }}
table {{ border-collapse: collapse; width: 100%; }}
td {{ padding: .4rem .5rem; border-top: 1px solid #8884; vertical-align: top; }}
td:first-child {{ width: 45%; opacity: .75; }}
code {{ font-size: .9em; }}
footer {{ margin-top: 2rem; opacity: .6; font-size: .85rem; }}
</style></head><body>
<h1>Matrix AI Bridge</h1>
<p><span class="state">{state}</span></p>
<table>{overview}</table>
<h2>Puppets</h2>
<table>{puppets}</table>
<h2>Figures</h2>
<table>{figures}</table>
<h2>Most used in the last 24 hours</h2>
<table>{usage}</table>
<footer>Read-only; refreshed every 10 s. The same in numbers: <code>/metrics</code>.</footer>
</body></html>
"""


def render(status: Status) -> str:
    """The status page. Every value is escaped; there is no room text in it."""
    overview = [
        ("Replies come from", status.engine),
        ("Homeserver", status.homeserver),
        ("Version", status.version),
        ("Up for", _duration(status.uptime_s)),
    ]
    return _PAGE.format(
        colour="#1a7f45" if status.is_ready else "#b26a00",
        state="ready" if status.is_ready else html.escape(f"waiting for {status.waiting_for}"),
        overview=_rows(overview),
        puppets=_rows(status.puppets),
        figures=_rows(status.figures),
        usage=_rows(status.usage),
    )


def application(status: Callable[[], Awaitable[Status]]) -> web.Application:
    """The aiohttp application. `status` is asked anew for every request."""

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ready(_: web.Request) -> web.Response:
        now = await status()
        body = {"ready": now.is_ready, "waiting_for": now.waiting_for, "engine": now.engine}
        return web.json_response(body, status=200 if now.is_ready else 503)

    async def figures(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(metrics.REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def page(_: web.Request) -> web.Response:
        return web.Response(
            text=render(await status()),
            content_type="text/html",
            headers={
                "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "no-store",
            },
        )

    app = web.Application()
    app.add_routes(
        [
            web.get("/health", health),
            web.get("/ready", ready),
            web.get("/metrics", figures),
            web.get("/status", page),
            web.get("/", page),
        ]
    )
    return app


def _rows(pairs: Sequence[tuple[str, str]]) -> str:
    if not pairs:
        return "<tr><td>none</td><td></td></tr>"
    return "".join(
        f"<tr><td>{html.escape(what)}</td><td>{html.escape(value)}</td></tr>"
        for what, value in pairs
    )


def _duration(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    shown = [f"{n} {unit}" for n, unit in parts if n][:2]
    return " ".join(shown) or "0 s"
