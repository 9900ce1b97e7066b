"""List the faults that hostile cases are known to show, each with its reason, until they are mended."""

import re

KNOWN: dict[str, str] = {
    r"OverflowError at (cells|gmtrouter|blocks|table_builder)|ArrowInvalid at table_arrow": "numbers of hundreds of "
    "digits in rows: the readers' bounds",
    r"ValueError at router_data": "a score matrix without a single readable question",
    r"RecursionError at (pool|messages|file_formats)": "nesting in pools and conversations: to be read by parse_json",
    r"raw bomb pool yaml": "aliases in a pool: to be read by parse_yaml",
    r"^run .*(silently another answer|Error at (run_data|table_arrow|dataset|table_columns))": "damage to a run: found "
    "by its manifest, once commands read it",
    r"^data .*TypeError at dataset": "damage to a data folder: found by its manifest, once commands read it",
}
"""Pattern of `case name: failure` -> why it is left out of the short run for now."""


def is_known(line: str) -> bool:
    """Tell whether a failure is one of them."""
    return any(re.search(pattern, line) for pattern in KNOWN)
