"""Say what a gateway offers and how it is: models, health, readiness and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from gmt.gateway.chat_request import ROUTED
from gmt.gateway.request_body import caller_of, gateway_of

status_routes = APIRouter()


@status_routes.get("/v1/models")
async def list_models(request: Request) -> dict:
    """List what a chat request may name, in OpenAI's shape."""
    caller_of(request)
    pool = gateway_of(request).pool
    names = [ROUTED, *(f"{ROUTED}:{name}" for name in pool.variants), *pool.models]
    rows = [{"id": name, "object": "model", "created": 0, "owned_by": "gmt"} for name in names]
    return {"object": "list", "data": rows}


@status_routes.get("/health")
async def health() -> dict:
    """Say that the process answers."""
    return {"status": "ok"}


@status_routes.get("/ready")
async def ready(request: Request) -> JSONResponse:
    """Say whether the run is loaded, its state can be read, and there is a model to choose."""
    gateway = gateway_of(request)
    run = gateway.served.now()
    try:
        offered = await gateway.in_thread(lambda: [name for name in gateway.pool.models if name in run.router.models])
    except Exception as error:  # whatever the database says, the answer is no
        return JSONResponse({"status": "not ready", "why": type(error).__name__}, 503)
    if not offered:
        return JSONResponse({"status": "not ready", "why": "the run knows none of the pool's models"}, 503)
    return JSONResponse({"status": "ready", "models": len(offered)})


@status_routes.get("/metrics")
async def metrics(request: Request) -> Response:
    """Show all counters to whoever holds an admin's key."""
    caller_of(request, admin=True)
    numbers = gateway_of(request).metrics
    return Response(numbers.text(), media_type=numbers.content_type)
