"""Make text fit to be drawn: addresses masked, lines broken by width, letters that no font has replaced visibly."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

MAIL = re.compile(r"[^\s@<>()\[\],;:\"']+@[^\s@<>()\[\],;:\"']+\.[^\s@<>()\[\],;:\"']+")
MASK = "[e-mail]"
MISSING_NOTE = "[n …]: n characters of that script, which no font on this machine can draw"


def masked(text: str) -> str:
    """Return text with e-mail addresses masked, for a figure is shown to many."""
    return MAIL.sub(MASK, text)


def drawable(text: str) -> str:
    """Return text whose every character a font here has: runs without one are replaced, such as 東京 by [2 CJK]."""
    out, run = [], ""
    for sign in f"{text}\0":
        # Joiners and accents belong to the letter before them: on a bracket they would turn that into something else.
        if sign != "\0" and (not _has_glyph(sign) or (run and unicodedata.category(sign) in ("Mn", "Mc", "Cf"))):
            run += sign
            continue
        if run:
            letters = sum(unicodedata.category(one) not in ("Mn", "Mc", "Cf") for one in run) or len(run)
            out.append(f"[{letters} {_script(run[0])}]")
            run = ""
        out.append(sign)
    return "".join(out)[:-1]


def is_replaced(text: str) -> bool:
    """Tell whether `drawable` had to replace something."""
    return drawable(text) != text


def font_families() -> list[str]:
    """Return the fonts to draw with: matplotlib's own, then those of the machine that have what it lacks."""
    return ["DejaVu Sans", *_fallbacks()]


def wrapped(text: str, width: int, lines: int) -> str:
    """Break text into lines of at most `width` columns, wide letters counted twice, and mark what is cut off."""
    words = " ".join(text.split()).split(" ")
    out, line = [], ""
    for word in words:
        # A word longer than a line is cut, or one address of a page would push everything else out.
        while _columns(word) > width:
            cut = _cut(word, width - 1)
            # Names of models are many words joined: behind a joint they break without a mark of their own.
            joint = max(cut.rfind(sign) for sign in "-/_") + 1
            cut, mark = (cut[:joint], "") if joint > len(cut) // 3 else (cut, "-")
            if line:
                out.append(line)
                line = ""
            out.append(cut + mark)
            word = word[len(cut) :]
        if line and _columns(line) + 1 + _columns(word) > width:
            out.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    out += [line] if line else []
    if len(out) > lines:
        last = out[lines - 1]
        if _columns(last) > width - 2:
            # At a word's end where the line has one.
            last = _cut(last, width - 2)
            last = last.rpartition(" ")[0] or last
        out = [*out[: lines - 1], last + " …"]
    return "\n".join(out)


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def _cut(text: str, width: int) -> str:
    out = ""
    for sign in text:
        if _columns(out + sign) > width:
            break
        out += sign
    return out or text[:1]


def _script(sign: str) -> str:
    """Return the script of a letter, from its Unicode name."""
    name = unicodedata.name(sign, "unknown").split()[0]
    known = {"HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean", "CJK": "CJK"}
    # A picture has a name of its own and no script.
    return known.get(name, "emoji" if unicodedata.category(sign) == "So" else name.capitalize())


@cache
def _glyphs() -> frozenset[int]:
    from matplotlib import font_manager

    found: set[int] = set()
    for family in font_families():
        found |= set(font_manager.get_font(font_manager.findfont(family)).get_charmap())
    return frozenset(found)


def _has_glyph(sign: str) -> bool:
    return sign in "\n\t " or ord(sign) in _glyphs() or unicodedata.category(sign) in ("Cf", "Cc")


@cache
def _fallbacks() -> tuple[str, ...]:
    """Return families of the machine that are known to cover more scripts."""
    from matplotlib import font_manager

    wanted = ("Noto Sans CJK", "Noto Sans JP", "Source Han Sans", "WenQuanYi", "IPAGothic", "Hiragino", "PingFang")
    wanted += ("Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Noto Sans Arabic", "Noto Sans Devanagari", "Unifont")
    names = sorted({font.name for font in font_manager.fontManager.ttflist})
    return tuple(name for start in wanted for name in names if name.startswith(start))[:6]
