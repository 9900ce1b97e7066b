"""Replace a user's solve by a network that reads their votes, taught on simulated populations first."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor, nn

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import TRAIN
from gmt.model.seeding import seeded
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.likelihood import Outcomes
from gmt.posterior.user_batch import UserBatch
from gmt.posterior.vote_history import VOTE_COLUMNS, VoteHistory
from gmt.studies.harness import validation_of
from gmt.studies.learned_network import Score
from gmt.training.trait_folds import Folds, fold_votes
from gmt.training.trait_loss import SHOWN_WHOLE

WIDTH, HEADS, LAYERS = 32, 4, 4
FACTS = 5  # what a vote says by itself: residual, offset, whether shown, whether tied, votes of its user
PRETRAINING, TUNING, USERS = 1500, 300, 48
SHOWN = 0.8  # share of a user's votes that are shown, at most


class AmortisedSolve(nn.Module):
    """Predict a user's preferences in target pairs from their shown votes, by messages weighed with kernels.

    Each head's weights between two votes are a learned nonnegative mixture of the posterior's kernels; values and
    updates are learned. Shown votes carry their outcome; target ones carry none.
    """

    def __init__(self, kernels: int) -> None:
        super().__init__()
        self.begin = nn.Linear(FACTS + kernels, WIDTH)
        self.mix = nn.Parameter(torch.zeros(LAYERS, HEADS, kernels))
        self.value = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS))
        self.update = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
            for _ in range(LAYERS)
        )
        self.end = nn.Linear(WIDTH, 2)

    def forward(self, kernels: Tensor, offset: Tensor, y: Tensor, shown: Tensor) -> Tensor:
        """Return (B, T) logits.

        Args:
            kernels: (B, P, T, T) the posterior's kernels between the votes of a user.
            offset: (B, T) what all users' votes say.
            y: (B, T) outcomes, read where `shown`.
            shown: (B, T).
        """
        seen = shown.to(offset.dtype)
        own = torch.diagonal(kernels, dim1=2, dim2=3).transpose(1, 2)
        count = (seen.sum(1, keepdim=True) + 1).log().expand_as(offset)
        missed = (y - torch.sigmoid(offset)) * seen
        state = self.begin(torch.cat([torch.stack([missed, offset, seen, (y == 0.5) * seen, count], 2), own], 2))
        for mix, value, update in zip(self.mix, self.value, self.update, strict=True):
            # Nonnegative sums of kernels are kernels. Targets send nothing, so the score of one does not depend on
            # which others stand beside it.
            weights = torch.einsum("hp,bpij->bhij", nn.functional.softplus(mix), kernels) * seen[:, None, None, :]
            message = torch.tanh(value(state)) * seen[:, :, None]
            message = message.reshape(*state.shape[:2], HEADS, -1)
            received = torch.einsum("bhij,bjhd->bihd", weights, message).reshape(state.shape)
            state = state + update(torch.cat([state, received], 2))
        more, certainty = self.end(state).unbind(2)
        # Bounded, so that the network corrects what all users' votes say and cannot throw it away.
        return offset * torch.exp(0.3 * torch.tanh(certainty)) + more


def kernels_of(batch: UserBatch) -> Tensor:
    """Return (B, P, T, T) kernels between the votes of each user."""
    terms = batch.among()
    return torch.as_tensor(np.stack([terms.linear, terms.query, *terms.features], axis=1), dtype=torch.float32)


def simulated(kernels: np.ndarray, offset: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return (B, T) votes of one made-up population: amplitudes, tails, slips and ties of its own.

    Args:
        kernels: (B, P, T, T).
        offset: (B, T).
        generator: Draws everything.
    """
    size = len(offset)
    # Uniform in the logarithm: weak and strong effects differ by factors. The third kernel is there only where answers
    # have features.
    amplitude = np.exp(generator.uniform(np.log([0.1, 0.05, 0.005]), np.log([3.0, 6.0, 0.3])))[: kernels.shape[1]]
    kernel = np.einsum("p,bpij->bij", amplitude, kernels)
    # A kernel of fewer features than votes is singular; the diagonal makes its root exist.
    root = np.linalg.cholesky(kernel + 1e-4 * np.eye(kernel.shape[1]))
    strong = np.sqrt(generator.gamma(2.0, 0.5, (size, 1)))  # some users care more than others
    latent = (root @ generator.standard_normal((*offset.shape, 1)))[:, :, 0] * strong + offset
    chance = expit(latent * np.exp(0.2 * generator.standard_normal()))
    slip = generator.uniform(0, 0.2)
    won = generator.random(offset.shape) < slip / 2 + (1 - slip) * chance
    # 4 p (1 - p) is 1 where chances are even: ties come where the answers are close.
    tied = generator.random(offset.shape) < generator.uniform(0, 0.8) * 4 * chance * (1 - chance)
    return np.where(tied, 0.5, won.astype(float))


def _step(
    network: AmortisedSolve,
    folds: Folds,
    covariance: np.ndarray,
    generator: np.random.Generator,
    pretend: bool,
) -> tuple[Tensor, int]:
    """Return the summed log loss of hidden votes of some users, and how many they are."""
    votes, part = folds.votes, int(generator.integers(len(folds.offset)))
    users = np.unique(votes.user)
    chosen = generator.choice(users, min(USERS, len(users)), replace=False)
    loss, count = torch.zeros(()), 0
    for _, index in votes.batches(chosen):
        batch = UserBatch(votes, index, folds.offset[part], covariance)
        kernels = kernels_of(batch)
        y = simulated(kernels.double().numpy(), batch.offset, generator) if pretend else batch.outcomes.y
        # Real votes are hidden by their fold, for the offset was fitted without it and would otherwise know them.
        hidden = batch.mask & (folds.fold[np.maximum(index, 0)] == part)
        if pretend:
            hidden = batch.mask & (generator.random(index.shape) < 1 - SHOWN)
        # Histories of any length, and many whole ones: that is what a user is scored with.
        keep = np.where(generator.random(len(index)) < SHOWN_WHOLE, 1.0, generator.random(len(index)))
        shown = batch.mask & ~hidden & (generator.random(index.shape) < keep[:, None])
        if not hidden.any():
            continue
        target, truth = torch.from_numpy(hidden), torch.as_tensor(y, dtype=torch.float32)
        offset = torch.as_tensor(batch.offset, dtype=torch.float32)
        logit = network(kernels, offset, truth, torch.from_numpy(shown))
        loss = loss + nn.functional.binary_cross_entropy_with_logits(logit[target], truth[target], reduction="sum")
        count += int(hidden.sum())
    return loss, count


def _train(
    network: AmortisedSolve, steps: int, lr: float, draw: Callable[[], tuple[Tensor, int]], check: Callable[[], float]
) -> None:
    """Take steps; keep the weights of the lowest check."""
    optimizer = torch.optim.AdamW(network.parameters(), lr, weight_decay=0.01)
    # Checked before the first step too: a network that only gets worse is handed back untouched.
    best, kept = check(), copy.deepcopy(network.state_dict())
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * min((step + 1) / 50, 1.0) * (1 - step / steps)
        loss, count = draw()
        if count:
            optimizer.zero_grad()
            (loss / count).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        if (step + 1) % 50 == 0 and (found := check()) < best:
            best, kept = found, copy.deepcopy(network.state_dict())
    network.load_state_dict(kept)


def amortised(router: AnswerAwareBradleyTerry, learn: Dataset, seed: int) -> Score:
    """Teach the network on simulated users with the same questions, then on the votes; VALID chooses when to stop."""
    train = learn.select(learn.table.split == TRAIN)
    valid = validation_of(learn)
    generator = np.random.default_rng([seed, 13])
    folds, covariance = fold_votes(router, train, generator), router.user_covariance(train)
    with seeded(seed):
        network = AmortisedSolve(3 if folds.votes.groups else 2)
    posterior = router.condition(train)

    def score(history: Dataset, questions: Questions) -> np.ndarray:
        # 1. Targets become votes with an outcome that is not read, once in each order: half the difference of both
        #    logits flips its sign exactly when the answers change places.
        slots = np.zeros(len(questions), np.int64)
        there = posterior.with_votes(history, questions, slots, slots + 1, slots + 0.5).votes
        back = replace(there, a=there.b, b=there.a, features=-there.features)
        # 2. Beside the votes of their users, sorted by user, as batches take them.
        both = _joined(posterior.votes, there, back)
        offset = posterior.quality.differences(both.query, both.a, both.b)
        answer = np.concatenate([np.full(len(posterior.votes), -1), there.comparison, there.comparison])
        sign = np.repeat([0.0, 1.0, -1.0], [len(posterior.votes), len(there), len(back)])
        order = np.argsort(np.concatenate([posterior.votes.user, there.user, back.user]), kind="stable")
        answer, sign = answer[order], sign[order]
        found = np.zeros(len(questions))
        # 3. A user's votes and targets in one pass; only votes are shown.
        for _, index in both.batches(questions.user):
            batch, at = UserBatch(both, index, offset, covariance), np.maximum(index, 0)
            shown = batch.mask & (answer[at] < 0)
            with torch.inference_mode():
                logit = network(
                    kernels_of(batch),
                    torch.as_tensor(batch.offset, dtype=torch.float32),
                    torch.as_tensor(batch.outcomes.y, dtype=torch.float32),
                    torch.from_numpy(shown),
                ).numpy()
            target = batch.mask & ~shown
            np.add.at(found, answer[at][target], 0.5 * (sign[at] * logit)[target])
        return np.stack([0.5 * found, -0.5 * found], axis=1)

    def check() -> float:
        return float(valid.losses(score(valid.history, valid.questions), logits=True).mean())

    _train(network, PRETRAINING, 3e-3, lambda: _step(network, folds, covariance, generator, True), check)
    print(f"amortised: taught on simulated users, VALID log loss {check():.4f}")
    _train(network, TUNING, 5e-4, lambda: _step(network, folds, covariance, generator, False), check)
    return score


def _joined(*several: VoteHistory) -> VoteHistory:
    """Return several histories of votes as one, a user's side by side."""
    plain = [name for name in VOTE_COLUMNS if name != "outcomes"]
    columns = {name: np.concatenate([getattr(one, name) for one in several]) for name in plain}
    outcomes = Outcomes(np.concatenate([one.outcomes.y for one in several]))
    joined = replace(several[0], outcomes=outcomes, **columns)
    return joined.select(np.argsort(joined.user, kind="stable"))
