"""Join encoder and head into one module that turns a graph into scores."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gmt.config import ModelConfig
from gmt.data.graph import FEEDBACK, GraphBatch, GraphSchema
from gmt.model.encoder import GraphEncoder
from gmt.model.head import PreferenceHead
from gmt.model.known_models import known_models, pad_rows
from gmt.model.leaf import Leaf
from gmt.model.turn_layer import TurnStates

RATED, ADVANTAGE = FEEDBACK.index("rated"), FEEDBACK.index("advantage")


class GraphScorer(nn.Module):
    """Score the candidates of each question from the graph of what its person said before.

    With `bind`, `strengths` and `query_terms` off this is GMTRouter (arXiv 2511.08590): users and turns
    start at zero, queries, llms and responses from their texts, and only the preference head
    scores. `bind` starts each turn from what the rating says about *this* model, query and answer, and
    lets the person's state meet each candidate directly, weighed by how much is known of the
    person. `strengths` adds a score per model: a prior read from its text plus a learned residual
    that starts at zero, so a model never trained on is judged by its text alone. `query_terms` adds a
    question x model term read from both texts.

    Args:
        config: Widths and switches.
        schema: Node and edge types.
        text_width: W, the width of the text vectors.
        models: Number of models trained on; llm nodes beyond it have no residual.
    """

    def __init__(self, config: ModelConfig, schema: GraphSchema, text_width: int, models: int) -> None:
        super().__init__()
        self.config, self.trained_models = config, models
        width, hidden = config.width, config.hidden
        self.project_query = nn.Linear(text_width, width)
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
            self.patience = nn.Parameter(torch.tensor(1.0))
        if config.strengths:
            self.strength = nn.Linear(text_width, 1, bias=False)
            self.strength_residual = nn.Parameter(torch.zeros(models))
            self.llm_residual = nn.Parameter(torch.zeros(models, width))
        if config.query_terms:
            self.cell_query = nn.Linear(text_width, hidden)
            self.cell_llm = nn.Linear(width, hidden)

    def forward(self, batch: GraphBatch, user_shift: Tensor | None = None) -> Tensor:
        """Return (C, K) scores, -inf under padding.

        Args:
            batch: The graph and its questions.
            user_shift: (V, D) added to the people's final states; what `adapt --steps` learns.
        """
        config = self.config
        dropout = self.config.residual_dropout if self.training else 0.0
        known = known_models(len(batch.llm), self.trained_models, dropout, batch.llm)
        llm = self.project_llm(batch.llm)
        if config.strengths:
            llm = llm + pad_rows(self.llm_residual, len(batch.llm)) * known.unsqueeze(-1)
        people = self._people(self._initial_states(batch, llm), batch)
        if people is None:
            people = llm.new_zeros(len(batch.user_code), llm.shape[-1])
        if user_shift is not None:
            people = people + user_shift
        user, offered = people[batch.target_user], llm[batch.candidates]
        scores = self.head(user, batch.target_query, offered, batch.mask)
        if config.bind:
            wish = torch.tanh(self.affinity_user(user)) * (1 + self.affinity_query(batch.target_query))  # (C, H)
            scores = scores + self._trust(batch) * torch.einsum("ch,ckh->ck", wish, self.affinity_llm(offered))
        if config.query_terms:
            asked = torch.tanh(self.cell_query(batch.target_query))
            scores = scores + torch.einsum("ch,ckh->ck", asked, self.cell_llm(llm)[batch.candidates])
        if config.strengths:
            strength = self.strength(batch.llm).squeeze(-1)
            strength = strength + pad_rows(self.strength_residual, len(batch.llm)) * known
            scores = scores + strength[batch.candidates]
        return scores.masked_fill(~batch.mask, float("-inf"))

    def _people(self, states: TurnStates, batch: GraphBatch) -> Tensor | None:
        """Return (V, D) what is known of each person, by messages or, where there is no graph, by means."""
        turn, links = states.turn, batch.links
        if self.config.history == "graph":
            return self.encoder(states, links).user
        if self.config.history == "apart":
            parts = {
                "query": nn.functional.embedding(links.query, states.query.state),
                "response": states.responses(links),
                "llm": nn.functional.embedding(links.llm, states.llm.state),
            }
            turn = torch.stack([torch.tanh(self.apart[kind](part)) for kind, part in parts.items()]).sum(0)
        assert turn is not None
        heard = turn.new_zeros(links.users, turn.shape[1]).index_add(0, batch.tells[1], turn[batch.tells[0]])
        return heard / links.heard.clamp_min(1).unsqueeze(1)

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
        gained = batch.feedback[:, ADVANTAGE].unsqueeze(-1)
        model = nn.functional.embedding(batch.turn_llm, llm)
        asked = self.bind_query(model * nn.functional.embedding(batch.turn_query, query))
        answer = nn.functional.embedding(batch.turn_response, self.bind_response(batch.response))
        return gained * (nn.functional.embedding(batch.turn_llm, self.bind_llm(llm)) + asked + answer)

    def _trust(self, batch: GraphBatch) -> Tensor:
        """Return (C, 1) in [0, 1): how much the person's own votes count, n / (n + e^patience)."""
        rated = batch.feedback[:, RATED]
        votes = rated.new_zeros(len(batch.user_code)).index_add(0, batch.tells[1], rated[batch.tells[0]])
        votes = votes[batch.target_user].unsqueeze(-1)
        return votes / (votes + self.patience.exp())
