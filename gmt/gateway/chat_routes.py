"""Answer `/v1/chat/completions`, and `/v1/route` for those who call models themselves."""

from __future__ import annotations

import json

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from gmt.gateway.chat_request import ROUTED, read_chat, read_object
from gmt.gateway.model_choice import choose, price_shares_of
from gmt.gateway.request_body import body_of, caller_of, gateway_of, text_header

chat_routes = APIRouter()


async def chat_completions(request: Request) -> Response:
    """Answer as OpenAI's endpoint does, by the model that was named or, for `gmt/auto`, chosen."""
    gateway, caller = gateway_of(request), caller_of(request)
    asked = read_chat(await body_of(request), text_header(request, "x-gmt-user"), text_header(request, "x-session-id"))
    answer, headers = await gateway.answer(asked, caller)
    headers = {**answer.headers, **headers}
    if asked.streams and answer.status < 300:
        return StreamingResponse(answer.parts, answer.status, headers)
    return Response(b"".join([part async for part in answer.parts]), answer.status, headers)


async def route_only(request: Request) -> JSONResponse:
    """Decide without forwarding: ranking, scores, uncertainty, cost and reason.

    The body is that of a chat request, or `query` instead of `messages`; `model` may be left out, `uncertainty` asks
    for standard deviations, which take longer.
    """
    gateway, caller = gateway_of(request), caller_of(request)
    raw = await body_of(request)
    body = read_object(raw)
    if "messages" not in body and isinstance(body.get("query"), str):
        body["messages"] = [{"role": "user", "content": body["query"]}]
    asked = read_chat(
        json.dumps({"model": ROUTED, **body}).encode(),
        text_header(request, "x-gmt-user"),
        text_header(request, "x-session-id"),
    )
    run, user, variant = gateway.served.now(), caller.scoped(asked.user), gateway.variant(asked.variant)
    ranking, current = await gateway.ranked(run, asked, caller, user, variant, body.get("uncertainty") is True)
    temperature = float(run.router.card.get("temperature") or 1.0)
    choice = choose(ranking, temperature, asked, gateway.pool, variant, current, user, gateway.draw)
    id = gateway.remember(run, asked, caller, choice, None, "route")
    place = {one.model: one for one in ranking.ranking}
    prices = price_shares_of(gateway.pool.models, list(place)) or {}
    rows = [
        {
            "model": name,
            "score": place[name].score,
            "logit": choice.logits[name],
            "win_probability": place[name].win_probability,
            "margin": place[name].margin,
            "uncertainty": place[name].uncertainty,
            "cost": prices.get(name, place[name].cost),
        }
        for name in choice.order
    ]
    said = {"decision": id, "model": choice.model, "reason": choice.reason, "known": ranking.user is not None}
    return JSONResponse(
        said | {"votes": ranking.votes, "propensity": choice.propensities[choice.model], "ranking": rows}
    )


# As plain routes, for FastAPI's own would look for parameters that neither has: a tenth of a whole decision.
chat_routes.add_route("/v1/chat/completions", chat_completions, ["POST"])
chat_routes.add_route("/v1/route", route_only, ["POST"])
