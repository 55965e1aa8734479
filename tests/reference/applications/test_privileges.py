"""The privileges of an application and of its health command: what the node has for the public identity, they have not.

A node has them in one of two ways: as root, or as somebody else, with ambient capabilities, as its unit gives them.
Each is played in a user namespace of its own, so it needs no root.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

NET_ADMIN, NET_RAW, KILL = 1 << 12, 1 << 13, 1 << 5

NODE = """
import asyncio, ctypes, subprocess, sys
from pathlib import Path
from takeover.applications.health import ailment
from takeover.applications.kept_process import KeptProcess
from takeover.lab.namespaces import enter_user_namespace

SHOW = ("grep", "^Cap", "/proc/self/status")
PR_SET_SECUREBITS, NO_ROOT, PR_CAP_AMBIENT, RAISE = 28, 0x3, 47, 2

def with_ambient_capabilities():
    libc = ctypes.CDLL(None)
    prctl = lambda *words: libc.prctl(words[0], *(ctypes.c_ulong(word) for word in (*words[1:], 0, 0, 0)[:4]))
    both = 1 << 12 | 1 << 13
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(both, both, both, 0, 0, 0)
    assert prctl(PR_SET_SECUREBITS, NO_ROOT) == 0  # to be root is nothing from here on
    assert libc.capset(header, sets) == 0
    assert [prctl(PR_CAP_AMBIENT, RAISE, number) for number in (12, 13)] == [0, 0]

async def main(directory):
    subprocess.run(SHOW, stdout=(directory / "inherited").open("w"), check=True)
    await (await KeptProcess.start(SHOW, {}, directory / "application")).ended()
    assert await ailment(SHOW, {}, directory / "health", 10_000) == ""

enter_user_namespace()
if sys.argv[2] == "ambient":
    with_ambient_capabilities()
asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.fixture(params=["root", "ambient"])
def shown(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, dict[str, int]]:
    """The sets of capabilities, by name: of what a node starts by itself, of its application, of a health command."""
    argv = (sys.executable, "-P", "-c", NODE, str(tmp_path), str(request.param))
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert 0 == ended.returncode, ended.stderr
    sets = {}
    for name in ("inherited", "application", "health"):
        lines = (line.split(":") for line in (tmp_path / name).read_text().splitlines())
        sets[name] = {words[0]: int(words[1], 16) for words in lines}
    return sets


def test_the_application_has_not_what_the_node_has_for_the_identity(shown: dict[str, dict[str, int]]) -> None:
    """In no set that a program could take them from; what it inherits by itself, it would have."""
    assert NET_ADMIN | NET_RAW == shown["inherited"]["CapEff"] & (NET_ADMIN | NET_RAW)
    for program in ("application", "health"):
        taken = {name: value & (NET_ADMIN | NET_RAW) for name, value in shown[program].items()}
        taken.pop("CapBnd")
        assert dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapAmb"), 0) == taken


def test_root_does_not_get_them_back(shown: dict[str, dict[str, int]]) -> None:
    """They are out of the bounding set where the node may do that; everything else is left alone."""
    is_root = bool(shown["inherited"]["CapEff"] & KILL)
    for program in ("application", "health"):
        expected = dict(shown["inherited"])
        for name in expected:
            if name != "CapBnd" or is_root:
                expected[name] &= ~(NET_ADMIN | NET_RAW)
        assert expected == shown[program]
