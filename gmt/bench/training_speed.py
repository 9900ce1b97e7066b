"""Time the encoder against PyTorch Geometric's, training steps, and how both grow with users and turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from gmt.bench.made_data import made_dataset
from gmt.bench.roofline import bound, copying, counted
from gmt.bench.timing import Timing, interleaved, matmul, peak_memory, wait_for_gpu
from gmt.config import RunConfig, load_config
from gmt.data.episodes import EpisodeSampler
from gmt.data.graph_batch import GraphBatch
from gmt.data.interactions import TRAIN
from gmt.data.schema import turn_schema
from gmt.data.turn_links import TurnLinks
from gmt.model.encoder import GraphEncoder
from gmt.model.leaf import Leaf
from gmt.model.turn_layer import TurnStates
from gmt.training.accelerator import new_accelerator
from gmt.training.losses import loss_of
from gmt.training.prefetch import core_to_spare, prefetch
from gmt.training.train_network import episode_batch, new_scorer

STEP = (
    *("model.width=384", "model.hidden=256", "model.heads=4", "model.layers=2", "graph.turn_edges=false"),
    *("model.bind=false", "model.strengths=false", "model.query_terms=false"),
    *("episode.users=200", "episode.targets=2", "episode.target_pairs=256", "episode.history=10"),
    "episode.history_length=fixed",
)
"""GMTRouter's sizes: 200 users, 10 visible comparisons each, 256 target pairs, width 384, two layers."""


def encoder_parts(
    turns: int, width: int, device: torch.device, general: bool = False
) -> tuple[Callable[[], TurnStates], TurnLinks]:
    """Return what makes states, and links of 200 users' two-turn conversations.

    Args:
        turns: T.
        width: D.
        device: Where the states lie.
        general: Users and turns start from states of their own that want a gradient, and not at zero.
    """
    generator = torch.Generator().manual_seed(0)
    users, queries, llms = 200, max(turns // 2, 1), 10

    def draw(rows: int) -> torch.Tensor:
        return torch.randn(rows, width, generator=generator).to(device)

    # 1. A round is two turns, one for each answer, and a conversation two rounds: turn t goes on in t + 2, where both
    #    are of one user.
    own = torch.arange(turns)
    owner = torch.sort(torch.randint(users, (turns,), generator=generator)).values
    follows = own[:-2][(own[:-2] % 4 < 2) & (owner[:-2] == owner[2:])]
    links = TurnLinks(
        users,
        owner.to(device),
        (own // 2).to(device),
        own.to(device),
        torch.randint(llms, (turns,), generator=generator).to(device),
        torch.stack([follows, follows + 2]).to(device),
        torch.stack([own, owner]).to(device),
    )
    # 2. Weights are divided by √D, so that states keep their size and attention does not saturate.
    rows = draw(queries), draw(turns)
    weights = [torch.randn(width, width, generator=generator).to(device) / width**0.5 for _ in range(3)]
    llm = draw(llms)
    nodes = (draw(users), draw(turns)) if general else None

    def states() -> TurnStates:
        # New leaves in every round, or gradients would pile up on the first ones and be added to.
        leaves = [weight.detach().requires_grad_() for weight in weights]
        user, turn = (None, None) if nodes is None else (node.detach().requires_grad_() for node in nodes)
        return TurnStates(user, turn, Leaf(rows[0], leaves[0]), Leaf(llm, leaves[1]), Leaf(rows[1], leaves[2]))

    return states, links


def encoder(
    turns: int, width: int, heads: int, layers: int, repeats: int, device: torch.device, general: bool = False
) -> dict[str, Any]:
    """Time the encoder forward and backward beside `HGTConv` with the same graph and weights.

    The gradient that comes back is a fixed random one: a sum over the last LayerNorm would have none.

    Args:
        turns, width, heads, layers: Sizes.
        repeats: Rounds.
        device: What is measured.
        general: As in `encoder_parts`; users' and turns' next states are both wanted then, else those of users alone.

    Returns:
        Times of both, how many times faster ours is, operations a second, and their share of the peak of a plain
        matrix product of the same shape measured in the same rounds: its first decile, which is the stricter, and
        its median. Beside them the roofline: the time that its operators cannot be under at that peak and at the speed
        at which a copy of the turns' states moves bytes in the same rounds.
    """
    states, links = encoder_parts(turns, width, device, general)
    wanted = ("user", "turn") if general else ("user",)
    net = GraphEncoder(width, heads, layers, 0.0, turn_schema(), wanted).to(device)
    generator = torch.Generator().manual_seed(1)
    back = {
        name: torch.randn(size, width, generator=generator).to(device)
        for name, size in (("user", links.users), ("turn", turns))
    }

    def run(backend: str) -> Callable[[], object]:
        def work() -> None:
            # One network with one set of weights: only the way its layers are computed differs.
            net.backend = backend
            net.zero_grad(set_to_none=True)
            found = net(states(), links)
            torch.autograd.backward([getattr(found, name) for name in wanted], [back[name] for name in wanted])

        return work

    # Measured in the same rounds, for the peak of a busy machine is not that of its data sheet.
    product, size = matmul(max(turns, 1), width, width, device)
    copies, moved = copying(max(turns, 1), width, device)
    works = {"gmt": run("turn"), "HGTConv": run("pyg"), "matmul": product, "copy": copies}
    times = interleaved(works, repeats)
    # Counted on our pass: the operations that the result needs, however many another way spends on it.
    work = counted(run("turn"))
    done = sum(one.flops for one in work.values()) / times["gmt"].median
    # The best rounds of both, as the peak is: a bound has to be one.
    peak, bandwidth = size / times["matmul"].low, moved / times["copy"].low
    return {
        "turns": turns, "width": width, "layers": layers, "general": general,
        **{name: timing.to_json() for name, timing in times.items()},
        "times faster": times["HGTConv"].median / times["gmt"].median,
        "GFLOP/s": done / 1e9,
        "peak GFLOP/s": peak / 1e9,
        "share of peak": done / peak,
        "share of median matmul": done * times["matmul"].median / size,
        "GB/s": bandwidth / 1e9,
        "GB moved": sum(one.bytes for one in work.values()) / 1e9,
        "roofline s": bound(work, peak, bandwidth),
        "share of roofline": bound(work, peak, bandwidth) / times["gmt"].median,
    }  # fmt: skip


def step(users: int, votes: int, config: RunConfig, repeats: int) -> dict[str, Any]:
    """Time whole training steps, as training runs them: batches prefetched in a thread, forward, backward, update.

    Args:
        users, votes: Size of the data.
        config: Settings.
        repeats: Steps that count.
    """
    accelerator = new_accelerator(config)
    data = made_dataset(users, votes)
    shown = data.select(data.table.split == TRAIN)
    sampler = EpisodeSampler(shown.table, config.episode, config.seed)
    model = new_scorer(config, data).to(accelerator.device)
    optimiser = torch.optim.AdamW(model.parameters(), config.train.lr)
    parts: dict[str, list[float]] = {"build": [], "compute": [], "step": []}
    pairs, ended = 0, time.perf_counter()

    def build(number: int) -> tuple[GraphBatch, float]:
        started = time.perf_counter()
        batch = episode_batch(shown, sampler, number, config, accelerator)[0]
        return batch, time.perf_counter() - started

    for number, (made, building) in prefetch(build, range(repeats + 2), core_to_spare(accelerator.device)):
        # A step is from the end of the last one, so waiting for a batch that is not ready counts.
        wait_for_gpu()
        started, before = time.perf_counter(), ended
        batch = made.to(accelerator.device)
        loss, pairs = loss_of(config.train, model(batch), batch.rating)
        optimiser.zero_grad()
        (loss / max(pairs, 1)).backward()
        optimiser.step()
        wait_for_gpu()
        ended = time.perf_counter()
        # The first steps allocate memory and start the thread; they say nothing of the thousands that follow.
        if number >= 2:
            for name, value in (("build", building), ("compute", ended - started), ("step", ended - before)):
                parts[name].append(value)
    times = {name: Timing.of(values) for name, values in parts.items()}
    return {
        "users": users, "turns": 2 * users * votes, "asked": pairs,
        **{name: timing.to_json() for name, timing in times.items()},
        "steps/s": 1 / times["step"].median, "examples/s": pairs / times["step"].median, "peak GiB": peak_memory(),
    }  # fmt: skip


def step_config(default: bool = False) -> RunConfig:
    """Return the settings of the graph encoder's step, or of the shipped default."""
    return load_config(None, () if default else STEP, 0)


def scaling(sizes: Sequence[tuple[int, int]], repeats: int) -> list[dict[str, Any]]:
    """Time a step of equal work on ever more users."""
    config = step_config()
    return [step(users, votes, config, repeats) for users, votes in sizes]
