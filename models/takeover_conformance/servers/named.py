"""Adapters that are wrong on purpose, and some that only look it: the suite has to tell them apart.

Each changes what the reference adapter is asked, or what it answers; those of `takeover_models.broken` are wrong inside
the core. A *mistake* names the clauses that a check which catches it may belong to. A *variant* is legal: slower,
chattier, or spelt otherwise, and has to pass. A *blank* does nothing, or one thing only, and must not reach any level.
"""

from __future__ import annotations

from takeover_conformance.servers.blanks import BLANKS
from takeover_conformance.servers.followers_about_roles import FOLLOWERS_ABOUT_ROLES
from takeover_conformance.servers.followers_with_data import FOLLOWERS_WITH_DATA
from takeover_conformance.servers.misreadings import MISREADINGS
from takeover_conformance.servers.mistakes_about_roles import ABOUT_ROLES
from takeover_conformance.servers.mistakes_in_frames import IN_FRAMES
from takeover_conformance.servers.mistakes_with_data import WITH_DATA
from takeover_conformance.servers.omissions import OMISSIONS
from takeover_conformance.servers.variants import VARIANTS
from takeover_conformance.servers.wrappings import Wrapping, Wrong
from takeover_models.broken import BROKEN
from takeover_models.cores import REAL, Cores


def _is_a_servers(cores: Cores) -> bool:
    """Whether it is a server that is wrong; the witness is the runner's."""
    return (cores.begin_witness, cores.witness_step) == (REAL.begin_witness, REAL.witness_step)


def _told(cores: Cores) -> str:
    """What is wrong with a core, as its function says."""
    spoilt = cores.step if cores.step is not REAL.step else cores.begin
    return " ".join((spoilt.__doc__ or "").split())


WRONG: tuple[Wrong, ...] = (
    *(
        Wrong(b.name, (b.clause, b.prop), _told(b.cores), cores=b.cores)
        for b in BROKEN
        if _is_a_servers(b.cores)
    ),
    *WITH_DATA,
    *ABOUT_ROLES,
    *IN_FRAMES,
    *OMISSIONS,
    *FOLLOWERS_WITH_DATA,
    *FOLLOWERS_ABOUT_ROLES,
    *MISREADINGS,
)
"""Every mistake that the suite has to catch."""


def named(name: str) -> tuple[Wrapping, Cores]:
    """What is wrong, or different, under this name. Raises `KeyError`."""
    found = {wrong.name: (wrong.wrapping, wrong.cores) for wrong in WRONG}
    found |= {variant: (wrapping, REAL) for variant, wrapping in (VARIANTS | BLANKS).items()}
    wrapping, cores = found[name]
    return (wrapping if wrapping is not None else lambda answer: answer), cores
