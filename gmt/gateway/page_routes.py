"""Send the page: three files that ship with the package, which may load nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

page_routes = APIRouter()
FOLDER = Path(__file__).parent / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@page_routes.get("/")
async def page() -> Response:
    """Send the page itself."""
    return _file("index.html", "text/html")


@page_routes.get("/page.css")
async def page_style() -> Response:
    """Send how it looks."""
    return _file("page.css", "text/css")


@page_routes.get("/page.js")
async def page_script() -> Response:
    """Send what it does."""
    return _file("page.js", "text/javascript")


def _file(name: str, kind: str) -> Response:
    headers = {"content-security-policy": POLICY, "cache-control": "no-cache"}
    return Response((FOLDER / name).read_bytes(), media_type=kind, headers=headers)
