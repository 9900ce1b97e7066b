"""Decide, forward and remember: what a gateway does with one chat request, whatever HTTP framework hands it over."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np

from gmt.errors import UserError, one_line
from gmt.gateway.api_errors import ApiError
from gmt.gateway.api_keys import ApiKeys, Caller
from gmt.gateway.chat_request import ChatRequest
from gmt.gateway.decision_number import new_number
from gmt.gateway.fallback import first_that_answers
from gmt.gateway.forwarding import Opened, new_client
from gmt.gateway.gateway_metrics import GatewayMetrics
from gmt.gateway.model_choice import ModelChoice, choose
from gmt.gateway.pool_settings import Pool, RouterVariant
from gmt.gateway.rate_limit import RateLimit
from gmt.gateway.served_run import LoadedRun, ServedRun
from gmt.serving.decision import Decision as Ranking
from gmt.serving.model_ranking import Wanted, rank_models
from gmt.state.kept_decisions import KeptDecision

log = logging.getLogger("gmt.gateway")
DECIDERS, KEEPERS = 2, 2
"""Threads that choose models, and those that read and write what people said."""


class Gateway:
    """Hold what all requests share.

    Args:
        served: The run.
        pool: Where models answer, and the settings.
        seed: Of the draws of challengers; another one each time by default.
    """

    def __init__(self, served: ServedRun, pool: Pool, seed: int | None = None) -> None:
        self.served, self.pool = served, pool
        self.keys, self.metrics = ApiKeys(pool.keys), GatewayMetrics()
        self.limit = RateLimit(pool.gateway.requests_per_minute)
        self.client: httpx.AsyncClient = new_client(pool.gateway)
        # Encoding has a thread of its own, so that nobody whose texts are known waits for it.
        self._encoders = ThreadPoolExecutor(1, "encode")
        self._deciders = ThreadPoolExecutor(DECIDERS, "decide")
        # Writing waits for the disk and for other writers; no decision may stand in that queue.
        self._keepers = ThreadPoolExecutor(KEEPERS, "keep")
        self.draw = np.random.default_rng(seed)

    async def close(self) -> None:
        """End the threads and close all connections."""
        await self.client.aclose()
        self._encoders.shutdown()
        self._deciders.shutdown()
        self._keepers.shutdown()
        self.served.close()

    async def in_thread(self, work: Any, *arguments: Any) -> Any:
        """Run something that waits for a database or a lock without holding up other requests."""
        return await asyncio.get_running_loop().run_in_executor(self._keepers, work, *arguments)

    # What one request goes through.

    async def answer(self, request: ChatRequest, caller: Caller) -> tuple[Opened, dict[str, str]]:
        """Answer a chat request; return what the upstream says and the headers that tell what was decided.

        Raises:
            ApiError: The request is at fault, or no upstream answers.
        """
        began, user, run = time.perf_counter(), caller.scoped(request.user), self.served.now()
        choice, order = None, [request.model]
        if not request.is_routed and request.model not in self.pool.models:
            raise ApiError(404, f"there is no model {request.model[:60]!r}; see GET /v1/models", "model_not_found")
        mode = self.pool.gateway.mode
        if mode == "apply" and request.is_routed:
            choice = await self.decide(run, request, caller, user)
            order = [name for name in choice.order if name in self.pool.models]
        elif request.is_routed:
            self.variant(request.variant)
            order = [self.pool.default]
        if mode == "observe":
            choice = await self._observed(run, request, caller, user)
        answer, model = await first_that_answers(self.client, self.pool, self.metrics, request, order)
        self.metrics.first_byte.observe(time.perf_counter() - began)
        self.metrics.answers.labels(model).inc()
        headers = {"x-gmt-model": _header(model)}
        if choice is not None:
            id = self.remember(run, request, caller, choice, model, mode)
            reason = choice.reason if mode == "apply" else f"observed only; gmt would choose {choice.best}"
            if mode == "apply" and model != order[0]:
                reason = f"{order[0]} did not answer, so the next best was asked"
            headers |= {"x-gmt-decision": id, "x-gmt-reason": _header(reason)}
        return answer, headers

    async def decide(self, run: LoadedRun, request: ChatRequest, caller: Caller, user: str | None) -> ModelChoice:
        """Choose a model.

        Raises:
            ApiError: There is no question, no candidate, or no such variant.
        """
        variant = self.variant(request.variant)
        ranking, current = await self.ranked(run, request, caller, user, variant)
        temperature = float(run.router.card.get("temperature") or 1.0)
        found = choose(ranking, temperature, request, self.pool, variant, current, user, self.draw)
        self.metrics.stayed.inc(found.stayed)
        self.metrics.explored.inc(found.explored)
        return found

    async def ranked(
        self,
        run: LoadedRun,
        request: ChatRequest,
        caller: Caller,
        user: str | None,
        variant: RouterVariant,
        with_uncertainty: bool = False,
    ) -> tuple[Ranking, str | None]:
        """Return the ranking of the candidates, and the model that the conversation has."""
        if not request.query.strip():
            raise ApiError(400, "there is no question in words to route; name a model, or send a message of a user")
        rounds, loop = request.rounds(), asyncio.get_running_loop()
        texts = [request.query, *(one["content"] for one in rounds or () if one["content"])]
        before = request.continues(caller.tenant + "/" + (user or ""))

        def work(must: bool) -> tuple[Ranking, str | None] | None:
            """Decide, or say by None that a text must be encoded first, which is done elsewhere unless it `must` be."""
            start, now = time.perf_counter(), run.router.run_data
            if not must and not now.texts.has(texts):
                return None
            offered = set(now.offered)
            candidates = [name for name in variant.models or self.pool.models if name in offered]
            if not candidates:
                raise ApiError(
                    503, "the run knows none of the pool's models; add them with gmt models add", "no_candidate"
                )
            # The pool's prices weigh where it states them all; otherwise what the run knows of costs.
            weight = variant.cost_weight if not _all_priced(self.pool, candidates) else 0.0
            last = None if before is None else run.writer.last_of(before)
            # From `now`, as the router itself would, but that it looks for news again, which takes as long as to rank.
            wanted = Wanted(candidates, rounds, cost_weight=weight, with_uncertainty=with_uncertainty)
            ranking = rank_models(now, run.router.config, run.router.card, user, request.query, wanted)
            self.metrics.deciding.observe(time.perf_counter() - start)
            return ranking, None if last is None else last.payload.get("model")

        try:
            found = await loop.run_in_executor(self._deciders, work, False)
            if found is None:
                start = time.perf_counter()
                await loop.run_in_executor(self._encoders, lambda: run.router.run_data.texts.encode(texts))
                self.metrics.encoding.observe(time.perf_counter() - start)
                found = await loop.run_in_executor(self._deciders, work, True)
        except UserError as error:
            raise ApiError(400, one_line(str(error))) from error
        if found is None:
            raise ApiError(500, "nothing was decided")
        return found

    def variant(self, name: str | None) -> RouterVariant:
        """Return what a variant says.

        Raises:
            ApiError: There is none of that name.
        """
        if name is None:
            return RouterVariant()
        if name not in self.pool.variants:
            raise ApiError(404, f"there is no variant {name[:60]!r}; see GET /v1/models", "model_not_found")
        return self.pool.variants[name]

    def remember(
        self,
        run: LoadedRun,
        request: ChatRequest,
        caller: Caller,
        choice: ModelChoice,
        model: str | None,
        mode: str,
        others: Mapping[str, Any] | None = None,
    ) -> str:
        """Write a decision down; return its number."""
        user, id = caller.scoped(request.user), new_number(run.writer.kept.store.run)
        whose = caller.tenant + "/" + (user or "")
        observed = mode == "observe"
        facts = choice.to_json() | {"mode": mode, "model": model or choice.model, "turn": request.turn}
        if observed:  # who answered was asked for by name, whatever gmt thinks
            facts |= {"propensities": {model or choice.model: 1.0}}
        facts["fell_back"] = mode == "apply" and model is not None and model != choice.model
        now = time.time()
        told = {"tenant": caller.tenant, "query": request.query, **facts, **(others or {})}
        run.writer.put(KeptDecision(id, user, request.conversation(whose), now, told))
        owner = None if user is None else run.writer.kept.store.hash_of(user)
        run.writer.note({"decision": id, "at": now, "user": owner, **facts})
        said = f" {request.query!r}" if self.pool.gateway.log_texts else ""
        log.info("%s %s %s%s", id, mode, model or choice.model, said)
        return id

    async def _observed(
        self, run: LoadedRun, request: ChatRequest, caller: Caller, user: str | None
    ) -> ModelChoice | None:
        """Return what gmt would choose; that it cannot say must not keep the answer back."""
        try:
            return await self.decide(run, request, caller, user)
        except ApiError as error:
            log.warning("nothing observed: %s", error.message if self.pool.gateway.log_texts else error.status)
            return None


def _all_priced(pool: Pool, names: list[str]) -> bool:
    return all(pool.models[name].output_price is not None for name in names)


def _header(text: str) -> str:
    """Return a text as a header may hold it."""
    return one_line(text, 200).encode("ascii", "backslashreplace").decode()
