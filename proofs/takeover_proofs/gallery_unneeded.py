"""The gallery's entries for the clauses that no property proved here needs, each with what it is there for.

"Not needed" is not asserted: the whole proof is done again without the clause.
"""

from __future__ import annotations

from takeover_proofs.entries import Entry, without

ENTRIES: tuple[Entry, ...] = (
    Entry(
        "ADDR-3",
        "It is a theorem, not a rule: no server can check it, and it follows from the other clauses as one-holder.",
    ),
    without(
        "QUEUE-2",
        "A position of the history stands for all that an update touches, so the properties do not see the order in "
        "which two updates reach one file. Without it the active server's own data depends on which was faster, and "
        "the passive server's copy, made in the order of the numbers, is another.",
    ),
    without(
        "QUEUE-3",
        "An update that leaves the unsafe queue too early never reaches the passive server, which then can take over "
        "with a shorter prefix, or never become eligible: it is a loss of what was not acknowledged, and of "
        "availability.",
    ),
    without(
        "QUEUE-6",
        "As QUEUE-3: what is dropped silently is missing on the passive server, which stays behind for good while the "
        "witness holds it for eligible. What was acknowledged is kept by SYNC-1 and REJOIN-2.",
    ),
    without(
        "ROLE-3",
        "LEASE-1 lets nobody drain or take over without a lease of the next epoch, and LEASE-3 grants it to an "
        "eligible server only. This clause says the same to a server, from what it knows itself.",
    ),
    without(
        "ROLE-4",
        "A takeover after a goodbye is as safe as any other. It is not wanted: somebody shut the server down to mend "
        "it, and would find the pair's roles exchanged.",
    ),
    without(
        "ROLE-6",
        "Without a grant nobody sees the server, and SYNC-1 lets it acknowledge only what is safe. But applications "
        "that carry on where nobody sees them do work that is lost at the next takeover.",
    ),
)
