"""Start a program that the kernel kills when the demo ends, however the demo ends.

    python -m takeover.demo.launch PPID -- ARGV...

It leaves the order with the kernel and becomes the program, under the same process id. So nothing of a demo outlives
it, even if it is killed itself.
"""

import os
import signal
import sys

from takeover.linux import signal_when_parent_dies


def main(arguments: list[str]) -> int:
    """Become the program; 2 for wrong usage."""
    match arguments:
        case [parent, "--", program, *rest] if parent.isascii() and parent.isdigit():
            signal_when_parent_dies(int(parent), signal.SIGKILL)
            os.execvp(program, [program, *rest])
    print("usage: python -m takeover.demo.launch PPID -- ARGV...", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
