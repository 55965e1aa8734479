"""Opening a journal: find out what it holds, refuse damage, and tidy up what a crash left half done.

First everything is read and judged, and only then is anything changed: a damaged journal is left as it was found, for a
person to look at. Every segment is read to its end, so damage shows here and not years later in a takeover; opening
takes time in proportion to the journal's length, which is what a server that starts passive can afford.

What a crash leaves behind is of four kinds: segments that no longer count (before the low-water mark, of another
generation, behind a discarded tail), a segment that was cut off before it was born, a torn tail, and bounds or entries
that were written but not synced. All are settled durably before the journal is used.
"""

import logging
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from takeover.errors import JournalDamaged
from takeover.journal.bounds import BOUNDS_NAME, Bounds, BoundsFile, create_bounds
from takeover.journal.frames import HEADER_BYTES, READ_AHEAD_BYTES
from takeover.journal.segment import (
    Scan,
    Segment,
    SegmentName,
    create_segment,
    read_segment,
    scan_segment,
    segment_names,
)
from takeover.storage.disk import Disk, Handle

log = logging.getLogger("takeover.journal")


@dataclass(frozen=True, slots=True)
class Proof:
    """What something beside a journal proves of it."""

    next_index: int = 0
    """Entries before this index were once durable."""
    by: str = ""
    """What proves it, for a message."""


NO_PROOF = Proof()


@dataclass(frozen=True, slots=True)
class Recovered:
    """A journal as it was found: settled, durable, and open to append."""

    bounds: BoundsFile
    segments: list[Segment]
    """The living ones in order; the last is the tail."""
    tail: Handle
    """The last segment, open to write."""
    next_index: int
    marked_index: int
    """What the marks in the tail prove; below `next_index` when a mark is due."""


def proven_index(directory: Path, disk: Disk) -> int:
    """What the marks in a journal prove, which is left as it is: entries before this index were once synced by `sync`.

    A segment's birth is no such proof: it syncs the journal by itself.
    """
    names = disk.list_directory(directory, label="journal.list")
    if BOUNDS_NAME not in names:
        return 0
    bounds = BoundsFile(disk, directory)
    try:
        for segment in reversed(_living(disk, directory, segment_names(directory, names), bounds.bounds)):
            marked_index = scan_segment(disk, segment, until=bounds.bounds.end_index).marked_index
            if marked_index > segment.first_index:
                return marked_index
    finally:
        bounds.close()
    return 0


def recover(directory: Path, disk: Disk, proof: Proof) -> Recovered:
    """Open the journal in an existing directory, an empty one included. `JournalDamaged` leaves it untouched."""
    names = disk.list_directory(directory, label="journal.list")
    found = segment_names(directory, names)
    if BOUNDS_NAME not in names:
        if found:
            raise JournalDamaged(directory / BOUNDS_NAME, 0, f"missing, yet there is {found[0].path.name}")
        create_bounds(disk, directory)
    with ExitStack() as stack:
        bounds = BoundsFile(disk, directory)
        stack.callback(bounds.close)
        _refuse_unknown_future(disk, found, bounds)
        segments = _living(disk, directory, found, bounds.bounds)
        scan = _scan_all(disk, segments, bounds)
        if scan.next_index < proof.next_index:
            proven = f"{proof.by} that entries before {proof.next_index} were durable"
            reason = f"ends before entry {scan.next_index}, and {proven}"
            raise JournalDamaged(segments[-1].path if segments else directory, scan.end, reason)
        bounds.settle()
        _remove(disk, directory, found, segments)
        if not segments:
            segment, tail = create_segment(disk, directory, 1, 0)
            stack.callback(disk.close, tail, label="journal.close")
            segments.append(segment)
            settled = Bounds(1, 0, 0)
        else:
            tail = disk.open(segments[-1].path, writable=True, label="journal.tail.open")
            stack.callback(disk.close, tail, label="journal.close")
            if scan.end < scan.size:
                torn = scan.size - scan.end
                log.warning(
                    "the last %d bytes were being written at a crash, and are dropped: %s, from byte %d",
                    torn,
                    segments[-1].path,
                    scan.end,
                )
            _settle_tail(disk, tail, scan)
            settled = replace(bounds.bounds, tail_index=segments[-1].first_index, end_index=None)
        if bounds.bounds != settled:
            bounds.save(settled)
        stack.pop_all()
        return Recovered(bounds, segments, tail, scan.next_index, scan.marked_index)


def _refuse_unknown_future(disk: Disk, found: list[SegmentName], bounds: BoundsFile) -> None:
    """A reset that was cut leaves an empty segment of the next generation; one with records means lost bounds."""
    for name in found:
        if name.generation > bounds.bounds.generation:
            segment = read_segment(disk, name)
            if segment is not None and segment.end > HEADER_BYTES:
                reason = f"says generation {bounds.bounds.generation}, and {name.path.name} holds entries"
                raise JournalDamaged(bounds.path, 0, reason)


def _living(disk: Disk, directory: Path, found: list[SegmentName], bounds: Bounds) -> list[Segment]:
    """The segments that hold what is within the bounds; empty only for a journal without its first segment."""
    if bounds.generation == 0:
        return []
    names = [name for name in found if name.generation == bounds.generation]
    if bounds.end_index is not None:
        names = [name for name in names if name.first_index <= bounds.end_index]
    segments = [segment for name in names if (segment := read_segment(disk, name)) is not None]
    unborn = [name for name in names if name.path not in {segment.path for segment in segments}]
    if any(name is not names[-1] for name in unborn):
        raise JournalDamaged(unborn[0].path, 0, "this is not a segment's header")
    bases = [place for place, segment in enumerate(segments) if segment.first_index <= bounds.first_index]
    if not bases:
        raise JournalDamaged(directory, 0, f"there is no segment with entry {bounds.first_index}")
    if bounds.tail_index not in {segment.first_index for segment in segments}:
        raise JournalDamaged(
            directory, 0, f"there is no segment from entry {bounds.tail_index} on, and it was begun"
        )
    return segments[bases[-1] :]


def _scan_all(disk: Disk, segments: list[Segment], bounds: BoundsFile) -> Scan:
    """Read every segment and check that they continue one another; what the last one holds, and its end set."""
    if not segments:
        return Scan(HEADER_BYTES, HEADER_BYTES, 0, 0, 0)
    for segment, successor in pairwise(segments):
        scan = scan_segment(disk, segment)
        if scan.end < scan.size:  # it was synced before its successor was born
            raise JournalDamaged(segment.path, scan.end, f"entry {scan.next_index} is not whole")
        if scan.next_index != successor.first_index:
            reason = f"starts with entry {successor.first_index} where entry {scan.next_index} belongs"
            raise JournalDamaged(successor.path, 0, reason)
    tail, end_index = segments[-1], bounds.bounds.end_index
    scan = scan_segment(disk, tail, until=end_index)
    durable_index = bounds.bounds.first_index if end_index is None else end_index
    if scan.next_index < durable_index:
        reason = f"ends before entry {scan.next_index}, and entries before {durable_index} were durable"
        raise JournalDamaged(tail.path, scan.end, reason)
    tail.end = scan.end
    return scan


def _remove(disk: Disk, directory: Path, found: list[SegmentName], living: list[Segment]) -> None:
    """Remove what does not count, and make durable which names there are."""
    kept = {segment.path for segment in living}
    for name in found:
        if name.path not in kept:
            disk.unlink(name.path, label="journal.unlink")
    disk.sync_directory(directory, label="journal.sync_directory")


def _settle_tail(disk: Disk, tail: Handle, scan: Scan) -> None:
    """Cut a torn tail off, and make the rest durable.

    A process that was killed wrote what is not durable yet. If its sync had failed, those bytes can be read, are not on
    the disk, and a further sync would not try them again: so what no mark proves is written once more.
    """
    if scan.end < scan.size:
        disk.truncate(tail, scan.end, label="journal.tail.truncate")
    for start in range(scan.proven_offset, scan.end, READ_AHEAD_BYTES):
        length = min(READ_AHEAD_BYTES, scan.end - start)
        content = disk.read(tail, start, length, label="journal.tail.read")
        disk.write(tail, start, content, label="journal.tail.write")
    disk.sync(tail, label="journal.tail.sync")
