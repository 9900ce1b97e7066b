"""Join encoder and head into one module that turns a graph into scores."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gmt.config import ModelConfig
from gmt.data.feedback_features import FEEDBACK
from gmt.data.graph_batch import GraphBatch
from gmt.data.schema import TurnSchema
from gmt.data.turn_links import TurnLinks
from gmt.model.encoder import GraphEncoder
from gmt.model.head import PreferenceHead
from gmt.model.known_models import known_models, pad_rows
from gmt.model.leaf import Leaf
from gmt.model.turn_layer import TurnStates

RATED, ADVANTAGE = FEEDBACK.index("rated"), FEEDBACK.index("advantage")


class GraphScorer(nn.Module):
    """Score the candidates of each question from the graph of what its user rated before.

    With `bind`, `strengths` and `query_terms` off this is GMTRouter (arXiv 2511.08590): users and turns
    start at zero, queries, llms and responses from their texts, and only the preference head
    scores. `bind` starts each turn from what the rating says about *this* model, query and answer, and
    lets the user's state meet each candidate directly, weighed by how much is known of the
    user. `strengths` adds a score per model: a prior read from its text plus a learned residual
    that starts at zero, so a model never trained on is judged by its text alone. `query_terms` adds a
    query x model term read from both texts.

    Args:
        config: Widths and switches.
        schema: Node and edge types.
        text_width: W, the width of the text vectors.
        models: Number of models trained on; llm nodes beyond it have no residual.
    """

    def __init__(self, config: ModelConfig, schema: TurnSchema, text_width: int, models: int) -> None:
        super().__init__()
        self.config, self.trained_models = config, models
        width, hidden = config.width, config.hidden
        self.project_query = nn.Linear(text_width, width)
        # One matrix for text and feedback; cut in two when read, so that equal answers are projected once.
        self.project_response = nn.Linear(text_width + len(FEEDBACK), width)
        self.project_written = nn.Linear(text_width, width, bias=False)
        self.project_llm = nn.Linear(text_width, width)
        outputs, layers = ("user", "llm"), config.layers if config.history == "graph" else 0
        self.encoder = GraphEncoder(width, config.heads, layers, config.dropout, schema, outputs, config.backend)
        self.head = PreferenceHead(width, text_width, hidden, config.heads, config.dropout)
        if config.history == "apart":
            self.apart = nn.ModuleDict({kind: nn.Linear(width, width) for kind in ("query", "response", "llm")})
        if config.bind:
            self.bind_llm = nn.Linear(width, width, bias=False)
            self.bind_query = nn.Linear(width, width, bias=False)
            self.bind_response = nn.Linear(text_width, width, bias=False)
            self.affinity_user = nn.Linear(width, hidden)
            self.affinity_query = nn.Linear(text_width, hidden)
            self.affinity_llm = nn.Linear(width, hidden)
            # Log of the number of votes at which the user's own term has half its weight.
            self.patience = nn.Parameter(torch.tensor(1.0))
        if config.strengths:
            self.strength = nn.Linear(text_width, 1, bias=False)
            self.strength_residual = nn.Parameter(torch.zeros(models))
            # From zero: a model begins where its description puts it.
            self.llm_residual = nn.Parameter(torch.zeros(models, width))
        if config.query_terms:
            self.term_query = nn.Linear(text_width, hidden)
            self.term_llm = nn.Linear(width, hidden)

    def forward(self, batch: GraphBatch, user_offset: Tensor | None = None) -> Tensor:
        """Return (C, K) scores, -inf under padding.

        Args:
            batch: The graph and its questions.
            user_offset: (V, D) added to the users' final states; what `adapt --steps` learns.
        """
        config = self.config
        dropout = self.config.residual_dropout if self.training else 0.0
        known = known_models(len(batch.llm), self.trained_models, dropout, batch.llm)
        llm = self.project_llm(batch.llm)
        if config.strengths:
            llm = llm + pad_rows(self.llm_residual, len(batch.llm)) * known.unsqueeze(-1)
        users = self._users(self._initial_states(batch, llm), batch)
        if users is None:  # no layers: nothing was read of anybody
            users = llm.new_zeros(len(batch.user_code), llm.shape[-1])
        if user_offset is not None:
            users = users + user_offset
        user, offered = users[batch.target_user], llm[batch.candidates]
        scores = self.head(user, batch.target_query, offered, batch.mask)
        if config.bind:
            # 1 + …, so that a query which says nothing leaves the user effect as it is.
            wish = torch.tanh(self.affinity_user(user)) * (1 + self.affinity_query(batch.target_query))  # (C, H)
            scores = scores + self._trust(batch) * torch.einsum("ch,ckh->ck", wish, self.affinity_llm(offered))
        if config.query_terms:
            wish = torch.tanh(self.term_query(batch.target_query))
            scores = scores + torch.einsum("ch,ckh->ck", wish, self.term_llm(llm)[batch.candidates])
        if config.strengths:
            strength = self.strength(batch.llm).squeeze(-1)
            strength = strength + pad_rows(self.strength_residual, len(batch.llm)) * known
            scores = scores + strength[batch.candidates]
        return scores.masked_fill(~batch.mask, float("-inf"))

    def _users(self, states: TurnStates, batch: GraphBatch) -> Tensor | None:
        """Return (V, D) what is known of each user, by messages or, where there is no graph, by means."""
        links = batch.links
        if self.config.history == "graph":
            return self.encoder(states, links).user
        turn = self._turns_apart(states, links) if self.config.history == "apart" else states.turn
        if turn is None:
            return None
        # A user without turns keeps zeros: the count is clamped where it is divided by.
        pooled = turn.new_zeros(links.users, turn.shape[1]).index_add(0, batch.updates[1], turn[batch.updates[0]])
        return pooled / links.turn_count.clamp_min(1).unsqueeze(1)

    def _turns_apart(self, states: TurnStates, links: TurnLinks) -> Tensor:
        """Return (T, D) each turn's query, answer and model, read one by one and added up."""
        parts = {
            "query": nn.functional.embedding(links.query, states.query.state),
            "response": states.responses(links),
            "llm": nn.functional.embedding(links.llm, states.llm.state),
        }
        return torch.stack([torch.tanh(self.apart[kind](part)) for kind, part in parts.items()]).sum(0)

    def _initial_states(self, batch: GraphBatch, llm: Tensor) -> TurnStates:
        query = Leaf(batch.query, self.project_query.weight, self.project_query.bias)
        words, weight = batch.response.shape[1], self.project_response.weight
        return TurnStates(
            user=None,
            turn=self._bound_turns(batch, llm, query.state) if self.config.bind else None,
            query=query,
            llm=Leaf(llm),
            response=Leaf(batch.response, weight[:, :words], self.project_response.bias),
            feedback=batch.feedback,
            feedback_weight=weight[:, words:],
            written=None if batch.written is None else Leaf(batch.written, self.project_written.weight),
            turn_written=None if batch.written is None else batch.turn_written,
        )

    def _bound_turns(self, batch: GraphBatch, llm: Tensor, query: Tensor) -> Tensor:
        """Return (T, D) what each rating says about its model, its query and its answer."""
        # The gain is 0 where nothing was rated, so that an unrated turn starts from nothing.
        gained = batch.feedback[:, ADVANTAGE].unsqueeze(-1)
        model = nn.functional.embedding(batch.turn_llm, llm)
        queries = self.bind_query(model * nn.functional.embedding(batch.turn_query, query))
        answer = nn.functional.embedding(batch.turn_response, self.bind_response(batch.response))
        return gained * (nn.functional.embedding(batch.turn_llm, self.bind_llm(llm)) + queries + answer)

    def _trust(self, batch: GraphBatch) -> Tensor:
        """Return (C, 1) in [0, 1): how much the user's own votes count, n / (n + e^patience)."""
        rated = batch.feedback[:, RATED]
        votes = rated.new_zeros(len(batch.user_code)).index_add(0, batch.updates[1], rated[batch.updates[0]])
        votes = votes[batch.target_user].unsqueeze(-1)
        return votes / (votes + self.patience.exp())
