"""The evidence of a refusal."""

import re
from pathlib import Path

import takeover.core
from takeover.evidence import _NAMES, evidence_of
from takeover_spec.knowledge import Knowledge

MS = 1_000_000


def test_a_refusal_has_the_numbers_that_its_clause_reads() -> None:
    """Numbers as they are, times from now on, negative when over, and 0 for one that never was."""
    know = Knowledge(epoch=3, seen=4, applied=7, given_until=5 * MS)
    assert {"epoch": 3, "seen": 4, "applied": 7} == evidence_of("ROLE-3", know, 0)
    assert {"epoch": 3, "given_until_ms": -2} == evidence_of("LEASE-1", know, 7 * MS)
    assert {"epoch": 3, "seen": 4, "given_until_ms": 5, "lease_until_ms": 0} == evidence_of(
        "LEASE-3", know, 0
    )
    alone = {"epoch": 3, "active": 1, "peer_follows": 0, "logged": 0, "safe_upto": 0, "heard_ms": -4}
    assert alone == evidence_of("SWITCH-1", Knowledge(epoch=3, active=True), 5 * MS, 1 * MS)
    assert {"epoch": 3} == evidence_of("a clause of a foreign witness", know, 0)


def test_every_clause_that_the_core_refuses_by_has_its_evidence() -> None:
    """A clause that is new in the core is missed here."""
    sources = Path(takeover.core.__file__).parent.glob("*.py")
    clauses = {c for source in sources for c in re.findall(r'"([A-Z]+-\d)"', source.read_text())}
    assert len(clauses) > 5
    assert clauses == set(_NAMES)
