"""An adapter: `takeover conform` asks on the standard input, and is answered on the standard output.

It says hello, refuses every frame, and starts a server that does nothing. ADAPTER.md has every request, and what may be
answered; PROTOCOL.md has what a server does. Put your server where it says so, and let `--next` lead you:

    takeover conform --next -- python3 adapter.py
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

Line = dict[str, Any]


def answer(request: Line) -> Iterator[Line]:
    """The lines that answer a request, without the last one; each without its `id`."""
    match request["op"]:
        case "hello":
            yield {
                "is": "metadata",
                "protocol": 1,
                "name": "my server",
                "version": "0.1",
                "language": "Python",
            }
        case "encode":  # your encoder: request["kind"], and that message's fields
            yield {"is": "refused"}  # or {"is": "encoded", "frame": …} in base64
        case "decode":  # your decoder: request["frame"] in base64
            yield {"is": "refused"}  # or {"is": "decoded", "kind": …} and that message's fields
        case "found":  # forget everything: this is on your server's disk
            pass
        case "queued":  # and this, in one of its queues
            pass
        case "start":  # ROLE-1: passive and hidden. LEASE-2: what may have been promised before is waited out
            wait_until = request["now"] + request["promise_ns"]
            yield {"do": "start", "active": False, "enabled": False, "until": 0, "wait_until": wait_until}
        case "connected":  # to the peer; a passive server says its Position
            pass  # {"is": "say", "to": "peer", "frame": …}
        case "frame":  # request["frame"] came from request["sender"]
            pass  # {"is": "close", "to": …} if it is malformed
        case "wake":  # it is as late as you wished, by {"is": "wake-at", "at": …}
            pass
        case "idle":  # time to report, and with request["room"] to apply an update
            pass
        case "write" | "carried-out":  # an active server: log it; note how it ended, and pass it on
            pass
        case "part" | "copied":  # what {"is": "take-copy"} asked for
            pass
        case "order":  # {"is": "answer", "number": …, "accepted": …, "clause": …, "reason": …}
            pass
        case "stop":  # {"is": "sync"}, and say goodbye
            pass


for text in sys.stdin:
    asked = json.loads(text)
    for line in [*answer(asked), {"is": "end"}]:
        print(json.dumps({"id": asked["id"], **line}))
    sys.stdout.flush()
