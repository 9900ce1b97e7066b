"""Join the graph network to the posterior: its states as kernel features, or as a head on what it misses."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gmt.config import load_config
from gmt.data.build_graph import build_graph
from gmt.data.dataset import Dataset, Questions
from gmt.data.episodes import EpisodeSampler
from gmt.data.interactions import TRAIN
from gmt.errors import ConfigError
from gmt.model.scorer import GraphScorer
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.routing.kernels import principal_axes
from gmt.runs import RunFolder
from gmt.studies.harness import validation_of
from gmt.training.losses import pairwise_loss
from gmt.training.train_network import learning_rate, new_scorer, train_scorer
from gmt.training.trait_folds import FOLDS, folds_of

Score = Callable[[Dataset, Questions], np.ndarray]
"""Scores questions given a history, as a router does."""

FEATURES = 16
# 0 among the variances, so that VALID can leave the states out.
TRAIT_VARIANCES, QUERY_KERNEL_SCALES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0), (0.0, 1.0, 3.0)
PRIOR_SCALES = (0.25, 0.5, 1.0)


@dataclass(frozen=True, eq=False)
class StateFeatures:
    """Describe a question and a model by what the graph network multiplies a user's state with.

    Args:
        scorer: The trained network.
        models: (M, H) its states of the models.
        basis: (H, F) principal axes of their differences within a question, of total variance 1.
    """

    scorer: GraphScorer
    models: np.ndarray
    basis: np.ndarray

    @classmethod
    def of(cls, scorer: GraphScorer, history: Dataset) -> StateFeatures:
        """Read the models' states, and find the axes over the questions of a history."""
        llm = torch.as_tensor(history.model_vectors, dtype=torch.float32)
        # A model that joined after training has no residual of its own.
        known = min(len(llm), len(scorer.llm_residual))
        with torch.inference_mode():
            state = scorer.project_llm(llm)
            state[:known] += scorer.llm_residual[:known]
            models = scorer.affinity_llm(state).numpy().astype(float)
        bare = cls(scorer, models, np.eye(models.shape[1]))
        queries = np.unique(history.table.query)
        cells = bare._weights(history.vectors[queries])[:, None, :] * models
        # Only differences within a question can make one model win, so axes are sought in these.
        cells = (cells - cells.mean(axis=1, keepdims=True)).reshape(-1, models.shape[1])
        _, size, basis = principal_axes(cells, FEATURES)
        # Total variance 1, so that the grid of amplitudes means the same for any network.
        return replace(bare, basis=basis / np.sqrt(max(size.sum(), 1e-12)))

    def of_rows(self, history: Dataset) -> np.ndarray:
        table = history.table
        queries, at = np.unique(table.query, return_inverse=True)
        weights = self._weights(history.vectors[queries])[at.reshape(-1)]
        return (self.models[table.model] * weights[table.row_comparison]) @ self.basis

    def of_candidates(self, data: Dataset, questions: Questions) -> np.ndarray:
        weights = self._weights(data.vectors[questions.query])[:, None, :]
        return (self.models[np.maximum(questions.candidates, 0)] * weights) @ self.basis

    def _weights(self, vectors: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            found = 1 + self.scorer.affinity_query(torch.as_tensor(vectors, dtype=torch.float32))
        return found.numpy().astype(float)


def states(router: AnswerAwareBradleyTerry, learn: Dataset, seed: int) -> Score:
    """Give the posterior the states of a trained network; VALID chooses how much they count."""
    config = load_config(None, (), seed)
    with tempfile.TemporaryDirectory() as folder:
        # 1. A network trained as always; nothing of it is trained further.
        scorer = _turn_graph(train_scorer(learn, config, RunFolder(Path(folder)))[0])
    # Features are read in NumPy, and a network is trained on a GPU where there is one.
    scorer.cpu().eval()
    valid = validation_of(learn)
    # 2. The posterior with more features: what was fitted before is kept, for only the amplitudes are sought anew.
    wider = AnswerAwareBradleyTerry(router.start, lambda history: StateFeatures.of(scorer, history))
    wider.load_state_dict(router.state_dict())
    # 3. All combinations from one conditioned posterior, for kernels are the costly part and amplitudes only weigh
    #    them.
    choices = [
        replace(router.settings, trait_variance=variance, query_kernel_scale=query, prior_scale=prior)
        for variance, query, prior in product(TRAIT_VARIANCES, QUERY_KERNEL_SCALES, PRIOR_SCALES)
    ]
    found = wider.condition(valid.history).scores_under(choices, valid.history, valid.questions)
    losses = [valid.losses(scores, logits=True).mean() for scores in found]
    wider.settings = choices[int(np.argmin(losses))]
    print(f"states: {wider.settings}")
    return wider.score


def _turn_graph(scorer: nn.Module) -> GraphScorer:
    """Return the network itself where it reads the graph of turns, which these parts are made for."""
    if not isinstance(scorer, GraphScorer):
        raise ConfigError("graph.schema is 'outcomes'; learned parts read the graph of turns, set graph.schema=turns")
    return scorer


class ResidualScorer(nn.Module):
    """Add to the posterior's score what a graph network that is shown the posterior makes of it.

    Args:
        scorer: The network; the last two columns of every answer's vector are what the posterior had expected.
        width: Units of what reads a candidate's mean and deviation.
    """

    def __init__(self, scorer: GraphScorer, width: int = 16) -> None:
        super().__init__()
        self.scorer = scorer
        self.read = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 1))
        # Small, so that training begins beside the posterior's own scores.
        self.scale = nn.Parameter(torch.tensor(0.1))

    def forward(self, batch: object, expected: Tensor) -> Tensor:
        """Return (C, K) scores; `expected` is (C, K, 2) posterior means, centred, and deviations."""
        # The last factor is 0 where the posterior expects nothing: a deviation alone must not favour an answer.
        scores = self.scorer(batch) + self.read(expected).squeeze(-1) * expected[..., 0].abs().tanh()
        return expected[..., 0] + self.scale * scores


def expected_by(router: AnswerAwareBradleyTerry, history: Dataset, data: Dataset, questions: Questions) -> np.ndarray:
    """Return (C, K, 2) posterior means, centred within a question, and standard deviations."""
    posterior = router.condition(history)
    scores = posterior.score(data, questions)
    # Rounding may leave a variance just below 0.
    variance = np.diagonal(posterior.covariances(data, questions, with_quality=False), axis1=1, axis2=2)
    return np.stack([scores - scores.mean(axis=1, keepdims=True), np.sqrt(np.maximum(variance, 0))], axis=2)


def expected_out_of_fold(router: AnswerAwareBradleyTerry, train: Dataset, seed: int) -> np.ndarray:
    """Return (C, K, 2) of what the posterior says of every comparison when its fold of conversations is not seen."""
    # Out of fold, or the network would learn to trust expectations that have seen the answer.
    fold = folds_of(train.table, np.random.default_rng([seed, 12]))
    out = np.zeros((*train.table.candidates.shape, 2))
    for part in range(FOLDS):
        at = np.flatnonzero(fold == part)
        out[at] = expected_by(router, train.select(fold != part), train, train.questions(at))
    return out


def with_expected(train: Dataset, expected: np.ndarray) -> Dataset:
    """Return the history with an answer of its own for every row, which also says what the posterior had expected."""
    table = train.table
    rows = len(table.model)
    # Each row gets an answer of its own: equal answers share a vector, and what was expected of them differs.
    slot = np.arange(rows) - table.start[:-1][table.row_comparison]
    words = train.vectors[np.maximum(table.response, 0)] * (table.response >= 0)[:, None]
    wide = np.concatenate([words, expected[table.row_comparison, slot]], axis=1).astype(np.float32)
    texts = (*table.texts, *(table.texts[code] if code >= 0 else "" for code in table.response))
    narrow = widened(train)
    own = replace(table, texts=texts, response=len(table.texts) + np.arange(rows))
    return replace(narrow, table=own, vectors=np.concatenate([narrow.vectors, wide]))


def widened(data: Dataset) -> Dataset:
    """Return the data with two empty columns in every vector."""
    empty = [np.zeros((len(part), 2), np.float32) for part in (data.vectors, data.model_vectors)]
    return replace(
        data,
        vectors=np.concatenate([data.vectors, empty[0]], axis=1),
        model_vectors=np.concatenate([data.model_vectors, empty[1]], axis=1),
    )


def residual(router: AnswerAwareBradleyTerry, learn: Dataset, seed: int) -> Score:
    """Train a network on what the posterior misses out of fold; VALID chooses when to stop."""
    # 1. What the posterior expects of each comparison, without having seen its fold.
    config = load_config(None, (), seed)
    train = learn.select(learn.table.split == TRAIN)
    expected = expected_out_of_fold(router, train, seed)
    shown = with_expected(train, expected)
    valid = validation_of(learn)
    scorer = _turn_graph(new_scorer(config, shown))
    network = ResidualScorer(scorer)
    optimizer = torch.optim.AdamW(network.parameters(), config.train.lr, weight_decay=config.train.weight_decay)
    sampler = EpisodeSampler(shown.table, config.episode, seed)
    to_tensor = lambda values: torch.as_tensor(values, dtype=torch.float32)  # noqa: E731

    def score(history: Dataset, questions: Questions) -> np.ndarray:
        expected = expected_by(router, history, history, questions)
        network.eval()
        with torch.inference_mode():
            # The history stays that of TRAIN with what was expected there; the one passed in serves the posterior.
            graph = build_graph(shown, questions, config.graph)
            found = network(graph, to_tensor(expected)).numpy()
        network.train()
        return found

    # 2. Train on the residual; the weights of the lowest loss on VALID are kept.
    best, kept = np.inf, copy.deepcopy(network.state_dict())
    for step in range(config.train.steps):
        if step % config.train.eval_every == 0:
            loss = valid.losses(score(valid.history, valid.questions), logits=True).mean()
            if loss < best:
                best, kept, at = loss, copy.deepcopy(network.state_dict()), step
        episode = sampler.draw(step)
        for group in optimizer.param_groups:
            group["lr"] = config.train.lr * learning_rate(step, config.train)
        graph = build_graph(
            shown.select(episode.history),
            shown.questions(episode.targets),
            config.graph,
            shown.table.select(episode.targets).ratings,
        )
        loss, pairs = pairwise_loss(network(graph, to_tensor(expected[episode.targets])), graph.rating)
        optimizer.zero_grad()
        (loss / max(pairs, 1)).backward()
        nn.utils.clip_grad_norm_(network.parameters(), config.train.clip)
        optimizer.step()
    network.load_state_dict(kept)
    print(f"residual: stopped at step {at}, scale {network.scale.item():.3f}")
    return score
