"""Small trees of files, and random changes to them: what tests of copies are made of.

Paths are few, so that operations meet: names are taken, given back, moved and taken again. Positions in files are near
the borders of blocks, where mistakes are.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from takeover.copies.blocks import BLOCK_BYTES
from takeover.operations import (
    Create,
    MakeDirectory,
    Operation,
    Remove,
    RemoveDirectory,
    Rename,
    Truncate,
    Write,
)

Tree = dict[bytes, bytes | None]
"""Every path below a directory, with its content; None for a directory."""

_FEW = st.sampled_from(("a", "b", "c"))
_PATHS = st.one_of(
    _FEW, st.builds("{}/{}".format, _FEW, _FEW), st.builds("{}/{}/{}".format, _FEW, _FEW, _FEW)
)
_POSITIONS = st.builds(
    lambda number, beyond: max(0, number * BLOCK_BYTES + beyond), st.integers(0, 4), st.integers(-2, 2)
)
_CONTENTS = st.builds(
    lambda letter, length: letter * length,
    st.sampled_from((b"x", b"y", b"\0")),
    st.sampled_from((1, 3, BLOCK_BYTES, BLOCK_BYTES + 1)),
)

operations: st.SearchStrategy[Operation] = st.one_of(
    st.builds(Create, _PATHS),
    st.builds(MakeDirectory, _PATHS),
    st.builds(Write, _PATHS, _POSITIONS, _CONTENTS),
    st.builds(Write, _PATHS, _POSITIONS, _CONTENTS),
    st.builds(Truncate, _PATHS, _POSITIONS),
    st.builds(Rename, _PATHS, _PATHS),
    st.builds(Remove, _PATHS),
    st.builds(RemoveDirectory, _PATHS),
)
"""Any operation; many of them fail."""


@st.composite
def trees(draw: st.DrawFn) -> list[Operation]:
    """The operations that make a tree."""
    made: list[Operation] = []
    for name in ("a", "b", "c"):
        made += [MakeDirectory(name), MakeDirectory(f"{name}/a")] if draw(st.booleans()) else [Create(name)]
    for path in draw(st.lists(_PATHS, max_size=6)):
        content = Write(path, draw(_POSITIONS), draw(_CONTENTS))
        made += [Create(path), content, Truncate(path, draw(_POSITIONS))]
    return made


def tree(root: Path) -> Tree:
    """The tree in a directory, by the plainest reading."""
    return {
        bytes(path.relative_to(root)): None if path.is_dir() else path.read_bytes()
        for path in sorted(root.rglob("*"))
    }
