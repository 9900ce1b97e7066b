"""Read an input of rated rows into comparisons: parse its pieces, merge their blocks, group the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.read.blocks import Block, BlockMerger, pack_rows
from data_prep.read.dialect import PLAIN, Dialect
from data_prep.read.grouped_rows import GroupedRows
from data_prep.read.parallel import InThisProcess, Mapper, parse_input
from data_prep.read.row import Parse, RatedRow, Rejected, in_file_order
from data_prep.read.row_groups import group_rows
from gmt.data.comparisons import text_id

if TYPE_CHECKING:
    from data_prep.read.ray_texts import DistantTexts


@dataclass(frozen=True, eq=False)
class RatedInput:
    """Hold what an input of rated rows says.

    Args:
        grouped: Its comparisons.
        rejected: The rows that could not be read, by file and line.
        distant: Where the texts are, if those of `grouped` are only keys of them.
    """

    grouped: GroupedRows
    rejected: list[Rejected]
    distant: DistantTexts | None


@dataclass(frozen=True)
class Grouping:
    """State how rows become comparisons beyond what they say themselves.

    Args:
        same_query: Join rated answers of one user to one query where no conversation is named.
        renumber: Turns of a conversation are known by their order only; count them from 0.
        line_is_conversation: Each line of a file is a conversation; its name may stand on other lines too.
        once: A row of which the named comparison has every model already, with the same rating, says nothing new.
    """

    same_query: bool = False
    renumber: bool = False
    line_is_conversation: bool = False
    once: bool = False


def read_rated(
    input: str | Path | None,
    parse: Parse[RatedRow],
    mapper: Mapper | None = None,
    grouping: Grouping | None = None,
    rejected: Sequence[Rejected] = (),
    dialect: Dialect = PLAIN,
) -> RatedInput:
    """Read an input; what is held at any time are numbers, distinct texts and a few blocks of rows.

    Args:
        input: File, folder or `hub:<dataset id>`.
        parse: Reads what one row says.
        mapper: Who parses; this process where left out.
        grouping: How rows become comparisons.
        rejected: The rows that are known to be bad already.
        dialect: How files are written where their names do not say so.

    Raises:
        DataError: The input as a whole cannot be read, or a rating needs a scale that nobody stated.
    """
    # `rejected` is copied: rows are added to the list, and the caller's must stay as it is.
    merger, mapper, refused = BlockMerger(), mapper or InThisProcess(), list(rejected)
    # The merger's own dictionary of texts goes in as `known`: it grows with every block that is added.
    for found in parse_input(input, parse, mapper, pack_rows, known=merger.codes["text"], dialect=dialect):
        merger.add(found.rows, found.before)
        refused += found.rejected
    # Grouping rejects rows too, so the sort by file and line comes after it; arguments are taken from the left.
    return RatedInput(_grouped(merger, grouping, refused, mapper.text_id), in_file_order(refused), mapper.distant)


def group_rated(rows: Iterable[RatedRow], rejected: list[Rejected], grouping: Grouping | None = None) -> GroupedRows:
    """Put rows that are in memory into comparisons.

    Args:
        rows: The rows.
        rejected: Receives rows that contradict the comparison they name.
        grouping: How rows become comparisons.
    """
    return group_blocks([pack_rows(list(rows))], rejected, grouping)


def group_blocks(blocks: Iterable[Block], rejected: list[Rejected], grouping: Grouping | None = None) -> GroupedRows:
    """Put the rows of blocks, in the order of their files, into comparisons; as `group_rated`."""
    merger = BlockMerger()
    for block in blocks:
        merger.add(block)
    return _grouped(merger, grouping, rejected, text_id)


def _grouped(
    merger: BlockMerger, grouping: Grouping | None, rejected: list[Rejected], name: Callable[[str], str]
) -> GroupedRows:
    chosen, merged = grouping or Grouping(), merger.merged()
    # Before grouping, which tells conversations apart by their code.
    if chosen.line_is_conversation:
        merged = merged.with_a_conversation_per_line()
    return group_rows(merged, chosen.same_query, chosen.renumber, rejected, name, chosen.once)
