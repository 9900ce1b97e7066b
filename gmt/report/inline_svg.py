"""Turn a figure into SVG that stands inside a page: no style of its own, ids that meet no other figure's."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
MENTIONED = ("Date", "Creator", "Format", "Type")
"""What matplotlib writes into a file of its own accord."""
REFERENCE = re.compile(r"url\(#([^)]*)\)")
DRAWING: dict[Any, Any] = {"svg.fonttype": "none"}
"""Settings of matplotlib under which texts stay texts, so that they can be read, searched and shown in any script."""


def inline_svg(figure: Figure, name: str, says: str) -> str:
    """Return a figure as an `<svg>` element.

    Styles become attributes, which a page may forbid styles beside; fonts and line joins are the page's to state.

    Args:
        figure: The figure, drawn under `DRAWING`.
        name: Begins every id; no other figure of the page may have it.
        says: What is read out in its place.
    """
    file = io.BytesIO()
    with warnings.catch_warnings():
        # The page's reader has fonts of their own, so that matplotlib's lacks a sign does not matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        # Without a ground of its own a figure stands on the page's, light or dark.
        figure.savefig(file, format="svg", transparent=True, metadata=dict.fromkeys(MENTIONED))
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(file.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
        _style_to_attributes(parent)
        _rename(parent, name)
    # The page says how large it is; the box says in which proportion.
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    root.attrib |= {"class": "plot", "role": "img", "aria-label": says}
    return ElementTree.tostring(root, encoding="unicode")


def _style_to_attributes(element: ElementTree.Element) -> None:
    """State each property of a style as an attribute."""
    for part in element.attrib.pop("style", "").split(";"):
        key, _, value = (piece.strip() for piece in part.partition(":"))
        if key and key != "font-family":
            element.set(key, value)


def _rename(element: ElementTree.Element, name: str) -> None:
    """Put the figure's name before its ids and before what refers to them."""
    for key, value in list(element.attrib.items()):
        if key == "id":
            element.set(key, f"{name}-{value}")
        elif key == f"{{{XLINK}}}href" and value.startswith("#"):
            element.set(key, f"#{name}-{value[1:]}")
        elif "url(#" in value:
            element.set(key, REFERENCE.sub(lambda found: f"url(#{name}-{found[1]})", value))
