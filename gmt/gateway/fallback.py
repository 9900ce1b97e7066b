"""Ask the models of a pool one after another until one answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

import httpx

from gmt.gateway.api_errors import ApiError
from gmt.gateway.chat_request import ChatRequest
from gmt.gateway.forwarding import Opened, PassedOn, UpstreamFault, open_answer
from gmt.gateway.gateway_metrics import GatewayMetrics
from gmt.gateway.pool_settings import Pool

log = logging.getLogger("gmt.gateway")


async def first_that_answers(
    client: httpx.AsyncClient, pool: Pool, metrics: GatewayMetrics, request: ChatRequest, order: Sequence[str]
) -> tuple[Opened, str]:
    """Ask models in order until one answers, as far as the settings allow.

    Args:
        client: Of all upstreams.
        pool: Where models answer, and the settings.
        metrics: Counts faults.
        request: What is asked.
        order: Names of models, the one to ask first.

    Returns:
        The answer, and who gave it.

    Raises:
        ApiError: None answers, and the last one said nothing that can be passed on.
    """
    settings, fault = pool.gateway, None
    tried = order[: settings.tries] if settings.fallback else order[:1]
    for name in tried:
        try:
            opened = await open_answer(
                client, name, pool.models[name], upstream_body(pool, request, name), request.streams
            )
            return opened, name
        except PassedOn as found:
            return found.answer, name
        except UpstreamFault as found:
            fault = found
            metrics.faults.labels(name, found.kind).inc()
            log.warning("%s: %s", name, found.kind)
    said = fault.error if fault is not None else ApiError(503, "there is no model to ask", "no_candidate")
    if isinstance(said, Opened):
        return said, tried[-1]
    raise said


def upstream_body(pool: Pool, request: ChatRequest, name: str) -> bytes:
    """Return what an upstream is sent: the client's own bytes wherever it knows the model by the same name."""
    served = pool.models[name].served_as or name
    if not request.is_routed and served == request.model:
        return request.raw
    body = {**request.body, "model": served}
    if request.is_routed:
        if not pool.gateway.forward_user:
            body.pop("user", None)
        # Clients may say which model gave an earlier answer; upstreams refuse fields that they do not know.
        body["messages"] = [{k: v for k, v in one.items() if k != "model"} for one in request.messages]
    try:
        # Plain ASCII, for half a character may stand in JSON as an escape and nowhere in UTF-8.
        return json.dumps(body, allow_nan=False).encode()
    except ValueError:
        raise ApiError(400, "a number of the request is too large for JSON's readers") from None
