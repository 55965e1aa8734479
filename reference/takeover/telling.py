"""The actions of the parties in words, for logs and for the demonstration.

A sentence without its subject, which is whoever did it: "takes the role of epoch 2: the active server is silent".
"""

from __future__ import annotations

from takeover_spec import actions as act
from takeover_spec.words import Cause

_CAUSES = {
    Cause.FIRST: "nobody has been active before",
    Cause.SILENCE: "the active server is silent",
    Cause.RELEASE: "the active server released it",
    Cause.OPERATOR: "the operator said so",
    Cause.RESUMED: "its own takeover was cut, and goes on",
}


def in_words(action: act.Action) -> str:
    """What was done; empty if it is done all the time, or only accounts for something."""
    return _of_epochs(action) or _of_data(action) or _of_service(action)


def _of_epochs(action: act.Action) -> str:
    """Who is active, and who may be."""
    match action:
        case act.Start():
            return "starts, passive and hidden"
        case act.TakeRole(epoch, cause):
            return f"takes the role of epoch {epoch}: {_CAUSES[cause]}"
        case act.Refrain(clause, reason):
            return f"does not take over: {reason} ({clause})"
        case act.StepDown(epoch):
            return f"is not active in epoch {epoch} any more"
        case act.Release(epoch) | act.EndLease(epoch):
            return f"epoch {epoch} is released"
        case act.HearEpoch(epoch):
            return f"hears of epoch {epoch}"
        case act.HearRelease(epoch):
            return f"hears that epoch {epoch} is released"
        case act.HearGoodbye():
            return "hears the peer say goodbye"
        case act.HearReturn():
            return "hears the peer again, which had said goodbye"
        case act.Grant(to, epoch):
            return f"grants the {to.name.lower()} the lease of epoch {epoch}"
        case act.Declare(_, _, eligible):
            return f"asks the witness to record that its peer is {'' if eligible else 'not '}eligible"
        case act.Record(_, _, eligible):
            return f"records that the passive server is {'' if eligible else 'not '}eligible"
        case act.HearRecorded(_, _, eligible):
            return f"hears that the witness has its peer down as {'' if eligible else 'not '}eligible"
    return ""


def _of_data(action: act.Action) -> str:
    """What became of queues and copies."""
    match action:
        case act.Discard(epoch, kept, last):
            return f"has drained epoch {epoch}: kept up to update {kept}, discards {last - kept}"
        case act.SetAside(epoch, kept, last):
            return f"sets its queue of epoch {epoch} aside: update {kept} was kept, {last - kept} after it are lost"
        case act.Promote(epoch, kept, last, ordered):
            why = "is ordered to take over" if ordered else "goes on with a takeover that was cut,"
            lost = f"{last - kept} after it are lost"
            return f"{why} from epoch {epoch}: update {kept} is kept, {lost}"
        case act.Copy(upto=upto):
            return f"sends a copy of the data as of update {upto}"
        case act.Resynchronise(epoch, upto):
            return f"is resynchronised: it has epoch {epoch} as of update {upto}"
    return ""


def _of_service(action: act.Action) -> str:
    """What clients and applications see."""
    match action:
        case act.Enable():
            return "enables the public identity"
        case act.Disable():
            return "disables the public identity"
        case act.StartInterception():
            return "intercepts what is written to the protected data"
        case act.StartApplications():
            return "starts the applications"
        case act.StopApplications():
            return "stops the applications"
    return ""
