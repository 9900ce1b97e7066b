"""Offer the commands that list the models of a run, add more, describe them anew and take them off the offer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmt.cli.on_run import OpenRun, on_run
from gmt.cli.options import Price, finite
from gmt.errors import UserError

Name = Annotated[str, typer.Argument(help="Name of the model.")]
SwitchCost = Annotated[
    float | None,
    typer.Option(
        help="What changing to it within a conversation costs, in units of a thousand tokens read at the dearest input "
        "price.",
        min=0,
        callback=finite,
    ),
]
models_app = typer.Typer(
    name="models", help="List the models a run offers; add, update or remove one.", no_args_is_help=True
)


@models_app.command("list", epilog="Example: `gmt models list --run runs/demo`")
@on_run()
def models_list(opened: OpenRun) -> None:
    """List the models a run offers."""
    router, terminal = opened.router, opened.terminal
    infos = {name: router.data.models[name].to_json() for name in router.models}
    terminal.result({"models": infos})
    rows = [
        [name, *("–" if info[key] is None else f"{info[key]:g}" for key in ("input_price", "output_price")),
         info["description"][:60]]
        for name, info in infos.items()
    ]  # fmt: skip
    terminal.table("", ["model", "$/M in", "$/M out", "description"], rows)


@models_app.command(
    "add", epilog='Example: `gmt models add new-7b --description "A small fast model" --history votes.jsonl`'
)
@on_run(may_encode=True)
def models_add(
    opened: OpenRun,
    name: Name,
    description: Annotated[str, typer.Option(help="What is known of it; the encoder reads this.")],
    history: Annotated[Path | None, typer.Option(help="JSONL of rounds in which it was rated.")] = None,
    input_price: Price = None,
    output_price: Price = None,
    cached_input_price: Price = None,
    switch_cost: SwitchCost = None,
) -> None:
    """Offer one more model, without retraining."""
    from data_prep.sources.jsonl import read_history
    from gmt.data.dataset import ModelInfo

    router, terminal = opened.router, opened.terminal
    read = read_history(history) if history is not None else None
    if read is not None and read.rejected:
        raise UserError(f"{read.rejected[0]}; mend the line and add the model again")
    info = ModelInfo(description, input_price, output_price, cached_input_price, switch_cost)
    added = router.add_model(name, info, read.comparisons if read else ())
    ranking = router.preferences(None)
    place = list(ranking).index(name) + 1
    terminal.result({"model": name, "rounds": added, "place": place, "ranking": ranking})
    terminal.text(f"{name}: on offer, {added} rounds added; place {place} of {len(ranking)} for an unknown user")


@models_app.command("update", epilog="Example: `gmt models update telegram-8b --input-price .1 --output-price .2`")
@on_run(may_encode=True)
def models_update(
    opened: OpenRun,
    name: Name,
    description: Annotated[str | None, typer.Option(help="What is known of it now; the encoder reads this.")] = None,
    input_price: Price = None,
    output_price: Price = None,
    cached_input_price: Price = None,
    switch_cost: SwitchCost = None,
) -> None:
    """Describe a model anew, or state other prices; what is left out stays as it was."""
    router, terminal = opened.router, opened.terminal
    prices = {
        "input_price": input_price,
        "output_price": output_price,
        "cached_input_price": cached_input_price,
        "switch_cost": switch_cost,
    }
    info = router.update_model(name, description, **{key: value for key, value in prices.items() if value is not None})
    terminal.result({"model": name, **info.to_json()})
    stated = ", ".join(
        f"{key.replace('_', ' ')} {value:g}"
        for key, value in info.to_json().items()
        if key in prices and value is not None
    )
    terminal.text(f"{name}: {stated or 'no price stated'}; {info.description[:100]}")


@models_app.command("remove", epilog="Example: `gmt models remove telegram-8b`")
@on_run()
def models_remove(opened: OpenRun, name: Name) -> None:
    """Offer a model no longer; what was said of it stays, and gmt models add brings it back."""
    router, terminal = opened.router, opened.terminal
    router.remove_model(name)
    terminal.result({"model": name, "models": router.models})
    terminal.text(f"{name} is no longer on offer; {len(router.models)} models are. Votes on it stay.")
