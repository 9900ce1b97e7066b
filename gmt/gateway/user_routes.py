"""Show what is known of a user, and forget them."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from fastapi import APIRouter, Request

from gmt.data.comparisons import Comparison
from gmt.errors import UserError
from gmt.gateway.api_errors import ApiError
from gmt.gateway.decision_writer import PAUSE
from gmt.gateway.request_body import caller_of, gateway_of
from gmt.gateway.served_run import LoadedRun

user_routes = APIRouter()
log = logging.getLogger("gmt.gateway")


@user_routes.get("/v1/users/{id}")
async def export_user(request: Request, id: str) -> dict:
    """Return everything kept of a user: rounds, events, decisions, and what gmt thinks they like."""
    gateway, caller = gateway_of(request), caller_of(request)
    run, user = gateway.served.now(), caller.scoped_name(id)
    return await gateway.in_thread(_exported, run, user, id, list(gateway.pool.models))


@user_routes.delete("/v1/users/{id}")
async def forget_user(request: Request, id: str) -> dict:
    """Delete a user's rounds, feedback and decisions, and say what still holds a trace of them."""
    gateway, caller = gateway_of(request), caller_of(request)
    run, user = gateway.served.now(), caller.scoped_name(id)

    def work() -> Any:
        run.writer.forget(user)
        return run.router.removed(user)

    removed = await gateway.in_thread(work)
    # Other processes may have had a decision that was not written yet; a moment later it is, and goes too.
    await asyncio.sleep(5 * PAUSE)
    kept = run.writer.kept
    await gateway.in_thread(lambda: kept.drop([row.id for row in kept.of_user(user)]))
    log.info("a user was forgotten: %d rounds", removed.rounds)
    return {"user": id, "rounds": removed.rounds, "remains": list(removed.remains)}


def _exported(run: LoadedRun, user: str, name: str, models: list[str]) -> dict:
    run.writer.flush()
    router = run.router
    try:
        rounds = router.history(user)
    except UserError:
        rounds = []  # what was only asked, and never rated, is a decision
    decisions = run.writer.kept.of_user(user)
    if not rounds and not decisions:
        raise ApiError(404, "there is nothing of this user")
    likes = {model: score for model, score in router.preferences(user).items() if model in models}
    return {
        "user": name,
        "votes": router.votes(user),
        "likes": likes,
        "rounds": [_plain(one) for one in rounds],
        "feedback": [
            {"id": str(event.id), "at": event.created, "from": event.source, "round": _plain(event.comparison)}
            for event in router.events(user)
        ],
        "decisions": [
            {"id": row.id, "at": row.created, **{k: v for k, v in row.payload.items() if k != "tenant"}}
            for row in decisions
        ],
    }


def _plain(item: Comparison) -> dict[str, Any]:
    names = ("model", "response", "rating", "feedback", "signal")
    answers = [{name: getattr(one, name) for name in names} for one in item.candidates]
    return {"query": item.query, "turn": item.turn, "at": item.timestamp, "answers": answers}
