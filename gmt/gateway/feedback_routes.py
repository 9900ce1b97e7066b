"""Take feedback on decisions in any known shape, and take it back."""

from __future__ import annotations

import asyncio
import time

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.text_keys import key_of
from gmt.errors import UserError, one_line
from gmt.gateway.api_errors import ApiError
from gmt.gateway.api_keys import Caller
from gmt.gateway.chat_request import read_object
from gmt.gateway.decision_number import is_young
from gmt.gateway.feedback_shapes import Said, read_feedback
from gmt.gateway.gateway import Gateway
from gmt.gateway.request_body import body_of, caller_of, gateway_of
from gmt.gateway.served_run import LoadedRun
from gmt.state.kept_decisions import KeptDecision

feedback_routes = APIRouter()
WRITTEN_WITHIN = 10.0
"""Seconds within which a decision that another process made comes to stand in the state, however busy that is."""
FIRST_LOOK, LONGEST_LOOK = 0.005, 0.25
"""Seconds between two looks for it, at first and at last."""


@feedback_routes.post("/v1/feedback")
@feedback_routes.post("/api/v1/feedback")  # vLLM semantic-router
@feedback_routes.post("/v2/report/metrics/feedback")  # Not Diamond
@feedback_routes.post("/api/public/scores")  # Langfuse
async def give_feedback(request: Request) -> JSONResponse:
    """Add what somebody said of an answer to their history; the next decision for them already knows it."""
    gateway, caller = gateway_of(request), caller_of(request)
    said = read_feedback(read_object(await body_of(request)), request.headers.get("idempotency-key"))
    run = gateway.served.now()
    decision = None if said.decision is None else await _decision(gateway, run, said.decision)
    told = await gateway.in_thread(_taken, gateway, run, caller, said, decision)
    gateway.metrics.feedback.labels(said.kind).inc()
    return JSONResponse(told)


@feedback_routes.delete("/v1/feedback/{id}")
async def revoke_feedback(request: Request, id: str) -> dict:
    """Take one piece of feedback back; the next decision no longer knows it."""
    gateway, caller = gateway_of(request), caller_of(request)
    run = gateway.served.now()

    def work() -> bool:
        owner = run.writer.kept.store.owner_of(int(id)) if is_number(id) else None
        if not caller.owns(owner):  # the same answer as where there is none: numbers of others tell nothing
            raise ApiError(404, f"there is no feedback {id[:40]!r}")
        gone = run.router.revoke(int(id))
        run.writer.note({"revoked": int(id), "at": time.time()})
        return gone

    return {"id": id, "revoked": await gateway.in_thread(work)}


def is_number(id: str) -> bool:
    """Tell whether a text may be the number of an event; there are digits of other scripts that Python takes too."""
    return id.isascii() and id.isdigit() and len(id) < 16


async def _decision(gateway: Gateway, run: LoadedRun, id: str) -> KeptDecision | None:
    """Return a decision; one of another process that was made a moment ago is waited for, which holds no thread.

    Raises:
        ApiError: It was made a moment ago and is not written; the client is to send its feedback again.
    """
    if not id.isascii() or not id.isprintable():
        return None  # no number of ours, nor anything that a database could look for
    run_name = run.writer.kept.store.run
    # What is not kept for so long may have gone since, and is no more to be waited for.
    longest = min(WRITTEN_WITHIN, 3600.0 * gateway.pool.gateway.keep_hours)
    pause = FIRST_LOOK
    while (found := await gateway.in_thread(run.writer.get, id)) is None and is_young(id, run_name, longest):
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_LOOK)
    if found is None and pause > FIRST_LOOK:
        raise ApiError(503, "the decision is not written yet; send the feedback again")
    return found


def _taken(gateway: Gateway, run: LoadedRun, caller: Caller, said: Said, decision: KeptDecision | None) -> dict:
    """Write feedback down; return its number and what is known of the user now."""
    round, chosen = _round_of(gateway, caller, said, decision)
    if said.key is not None and len(said.key) > 200:
        raise ApiError(400, "the idempotency key has more than 200 characters")
    try:
        found = run.router.add(round.user, [round], keys=[said.key], source=said.shape)
    except UserError as error:
        if "stands for another vote" in str(error):
            raise ApiError(409, one_line(str(error)), "idempotency_conflict") from error
        raise ApiError(400, one_line(str(error))) from error
    event = found["events"][0] if found["events"] else None
    if found["added"]:
        ratings = {chosen if name == "" else name: value for name, value in said.ratings.items()}
        note = {"feedback": event, "decision": said.decision, "kind": said.kind, "ratings": ratings}
        run.writer.note({**note, "signal": said.signal, "at": time.time()})
    return {"id": None if event is None else str(event), "added": bool(found["added"]), "votes": found["votes"]}


def _round_of(gateway: Gateway, caller: Caller, said: Said, decision: KeptDecision | None) -> tuple[Comparison, str]:
    """Return feedback as a round of its user, and the model that the decision chose.

    Raises:
        ApiError: There is no such decision of this tenant, it names no user, or a model is none of the pool's.
    """
    if said.decision is not None:
        if decision is None or decision.payload.get("tenant") != caller.tenant:
            raise ApiError(404, f"there is no decision {said.decision[:60]!r}, or no longer", "decision_not_found")
        user, query, chosen = decision.user, decision.payload["query"], decision.payload["model"]
        where, turn = decision.conversation, decision.payload["turn"]
        if user is None:
            raise ApiError(400, "the decision was for nobody by name; send `user` with the request to learn from it")
        if not query.strip():
            raise ApiError(400, "the request had no question in words, so nothing can be learned of it")
    else:
        user, query, chosen, turn = caller.scoped(said.user), said.query or "", "", 0
        where = key_of(f"stated {query}")
    models = [chosen if name == "" else name for name in said.ratings]
    lost = [name for name in models if name not in gateway.pool.models]
    if lost:
        raise ApiError(400, f"there is no model {lost[0][:60]!r}; name those of GET /v1/models")
    answers = tuple(
        Candidate(name, rating=rating, feedback=said.words if at == 0 else None, signal=said.signal)
        for at, (name, rating) in enumerate(zip(models, said.ratings.values(), strict=True))
    )
    try:
        return Comparison(user or "", where, turn, query, answers, timestamp=time.time()), chosen
    except UserError as error:
        raise ApiError(400, one_line(str(error))) from error
