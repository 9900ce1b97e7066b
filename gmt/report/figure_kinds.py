"""Name every kind of figure and the function that draws it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

# Names and not functions: listing the kinds loads nothing.
KINDS = {
    "routers": "gmt.report.router_figures:draw_routers",
    "dots": "gmt.report.router_figures:draw_dots",
    "gains": "gmt.report.gain_curves:draw_gains",
    "curves": "gmt.report.curve_panels:draw_curves",
    "training": "gmt.report.training_curve:draw_training",
    "user-graph": "gmt.report.graph_drawing:draw_user_graph",
    "user-gains": "gmt.report.user_gains:draw_user_gains",
    "user-map": "gmt.report.user_map:draw_user_map",
    "calibration": "gmt.report.calibration_plot:draw_calibration",
    "decision": "gmt.report.decision_plot:draw_decision",
    "quality-cost": "gmt.report.quality_cost:draw_quality_cost",
}


def drawing(kind: str) -> Callable[..., Any]:
    """Return the function that draws a kind of figure."""
    module, name = KINDS[kind].split(":")
    return getattr(import_module(module), name)
