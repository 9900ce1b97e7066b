"""Let the factorisation machine also read what the visible answers look like and say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix, hstack

from gmt.data.dataset import Dataset, Questions
from gmt.data.growing_rows import Vectors
from gmt.posterior.answer_features import KnownAnswers
from gmt.rivals.bradley_terry import strengths
from gmt.rivals.factor_models import FactorisationMachine
from gmt.rivals.factors import Contexts, FactorProblem, Factors, FactorSettings
from gmt.routing.one_thread import one_thread
from gmt.routing.pairwise import votes_of
from gmt.routing.query_keys import QueryKeys


@dataclass(frozen=True)
class AnswerFactorSettings(FactorSettings):
    """Hold what a fit of factors of models and answers may choose.

    Args:
        answer: What features of answers are scaled by, squared: the variance of their weights beside a model's 1.
    """

    answer: float = 0.03


@dataclass(frozen=True, eq=False)
class AnswerFactors(Factors):
    """Hold fitted strengths (M + F,) and factors (M + F, R) of models and of the features of their answers."""

    answers: KnownAnswers
    scale: float

    def score(self, questions: Questions, vectors: Vectors) -> np.ndarray:
        """Return (C, K) scores of the candidates, -inf under padding, given (T, D) text vectors."""
        count, candidates = len(self.answers.means), np.maximum(questions.candidates, 0)
        described = self.answers.at(QueryKeys.of(questions), questions.candidates) * self.scale  # (C, K, F)
        context = self.contexts.features(questions.user, questions.query, vectors) @ self.weights  # (C, R)
        own = self.models[candidates] + described @ self.models[count:]
        scores = self.strength[candidates] + described @ self.strength[count:] + (own * context[:, None]).sum(axis=2)
        return np.where(questions.mask, scores, -np.inf)


class FactorisationMachineAnswers(FactorisationMachine):
    """Extend the factorisation machine by the features of visible answers that gmt reads.

    Each feature of an answer is one more variable of the machine: it has a weight of its own and factors that meet
    those of the user and of the query.
    """

    name = "factorisation_machine_answers"
    default = AnswerFactorSettings(rank=16, user=0.03, query=0.1)
    refined: ClassVar = {"answer": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)}

    def __init__(self, settings: FactorSettings | None = None) -> None:
        super().__init__(settings)
        self._read: tuple[Dataset, KnownAnswers] | None = None

    def _learn(self, history: Dataset, contexts: Contexts) -> Factors:
        table, votes, settings = history.table, votes_of(history.table), contexts.settings
        # Kept apart from the fit, for answers are the same under every setting that is tried.
        if self._read is None or self._read[0] is not history:
            self._read = history, KnownAnswers.of(history)
        answers = self._read[1]
        scale = float(np.sqrt(settings.answer)) if isinstance(settings, AnswerFactorSettings) else 0.0
        described = answers.of_rows(history) * scale
        with one_thread():  # many small products: threads cost more than they give
            features = contexts.features(votes.user, table.query[votes.comparison], history.vectors)
            problem = FactorProblem.of(features, votes, len(table.models), settings)
            # What describes an answer stands beside which model gave it, as columns of the same kind.
            apart = csr_matrix(described[votes.row_a] - described[votes.row_b])
            problem = FactorProblem(features, csr_matrix(hstack([problem.pair, apart])), votes.y, settings)
            begin = strengths(votes, len(table.models), settings.strength)
            begin = np.concatenate([begin, np.zeros(described.shape[1])])
            found = problem.solve(begin) if len(votes) else problem.split(problem.start(begin))
        return AnswerFactors(contexts, *found, answers, scale)
