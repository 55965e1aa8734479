"""The keeper of one protected application: its parent, which lets nothing of it outlive the node.

    python -m takeover.applications.supervise PPID -- ARGV...

The intuition: the keeper starts the application as its child and is the *subreaper* of all that descends from
it. Whatever the application forks, however it detaches itself, ends up as the keeper's own child when it is
orphaned. So "no child is left" is a fact that the kernel reports, and the keeper exits only on that fact: its
exit is the proof that nothing of the application lives.

It starts nothing before it is told to, by a line of JSON on its standard input: `environment`, what the
application's environment has beyond the node's (so that it does not act on the keeper's own interpreter), and
`output`, the file that its output and error are appended to. So a keeper can be made ready ahead, when nobody waits
for it. The end of the input without a line is an order to leave.

Then it is asked by signals: SIGTERM passes a SIGTERM on to the application's process group and waits; SIGUSR1
kills everything at once, and so does the death of the node, which the kernel reports with the same signal. An
application that ends unasked takes its descendants with it, so it has to stay in the foreground.

On its standard output it writes what became of the application, a line each: `started PID`, then `exited
CODE`, `killed by SIGNAL` or `not started: REASON`.

The application, and a health command, have the node's privileges but for the two that the node has for the public
identity alone: with those they could enable it, or take its gate away (ADDR-2).

What complicates it:
- PIDs are reused. The keeper signals only its own children, which keep their number until it has reaped them;
  the others become its children as their parents die, and the killing goes round until none is left.
- The order to report the node's death comes after the node's fork, so the parent is checked after it
  (`linux`).
- The keeper itself may be killed. Then the kernel kills the application's first process, and the node
  everything that is still in the keeper's session (`kept_process`); only what left the session as well would
  then stay.
- A keeper that is stopped reacts to the node's death when it is continued.

Refused: the parent-death signal on the application alone (its children escape it), killing the process group
(a process leaves it with one call), a PID namespace (the kernel would do all of this, but it needs privileges
that many hosts deny, and shows the application other process numbers) and a control group (needs a delegated
one). Under systemd the last is there for free, with `KillMode=control-group`, and goes well with this.
"""

import contextlib
import json
import os
import signal
import sys
from typing import Any, NoReturn

from takeover.capabilities import NET_ADMIN, NET_RAW, give_up
from takeover.linux import become_subreaper, processes, signal_when_parent_dies

KILL_SIGNAL = signal.SIGUSR1
"""Asks the keeper to kill everything at once."""
STOP_SIGNAL = signal.SIGTERM
"""Asks the keeper to pass a SIGTERM on and to wait for the application."""

_AWAITED = (signal.SIGCHLD, KILL_SIGNAL, STOP_SIGNAL)
_ROUND_SECONDS = 0.01


def main(arguments: list[str]) -> int:
    """Keep the application until nothing of it is left; 0 when that is so, 2 for wrong usage."""
    match arguments:
        case [node, "--", program, *rest] if node.isascii() and node.isdigit():
            return keep(int(node), [program, *rest])
    print("usage: python -m takeover.applications.supervise PPID -- ARGV...", file=sys.stderr)
    return 2


def keep(node_pid: int, argv: list[str]) -> int:
    """Start `argv` and wait for its end, however it comes about. See the module's docstring."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    become_subreaper()
    signal_when_parent_dies(node_pid, KILL_SIGNAL)
    if KILL_SIGNAL in signal.sigpending():
        return 0  # the node is gone already, and nothing was started
    order = sys.stdin.readline()  # ends with the node
    if not order.endswith("\n") or KILL_SIGNAL in signal.sigpending():
        return 0
    application = _obey(json.loads(order), argv)
    if application is None:
        return 0
    stopping = ended = False
    while True:
        number = signal.sigwaitinfo(_AWAITED).si_signo
        if number == KILL_SIGNAL:
            break
        if number == STOP_SIGNAL:
            stopping = True
            if not ended:
                _signal_group(application, signal.SIGTERM)
        childless, ended_now = _reap(application)
        if childless:
            return 0
        ended = ended or ended_now
        # Once asked to stop, the whole group has the time that its first process has; what left the group has none.
        if ended and not (stopping and _signal_group(application, 0)):
            break
    _kill_all(None if ended else application)
    return 0


def _obey(order: dict[str, Any], argv: list[str]) -> int | None:
    """Start `argv` as the order says. Returns its pid, None when it failed, which is told."""
    try:
        output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError as failure:
        _tell(f"not started: {order['output']}: {failure.strerror}")
        return None
    nothing = os.open(os.devnull, os.O_RDONLY)
    for stream, file in ((0, nothing), (2, output)):
        os.dup2(file, stream)
        os.close(file)
    return _start(argv, {**os.environ, **order["environment"]})


def _start(argv: list[str], environment: dict[str, str]) -> int | None:
    """Execute `argv` in a process group of its own and tell how that went. Returns its pid, None when it failed."""
    keeper = os.getpid()
    reader, writer = os.pipe()  # closed by a successful exec: silence means success
    application = os.fork()
    if application == 0:
        _execute(keeper, argv, environment, writer)
    os.close(writer)
    with open(reader, "rb") as report:
        failure = os.fsdecode(report.read())
    if failure:
        os.waitpid(application, 0)
        _tell(f"not started: {failure}")
        return None
    _tell(f"started {application}")
    return application


def _execute(keeper: int, argv: list[str], environment: dict[str, str], writer: int) -> NoReturn:
    """Become the application, or write why not to `writer`. Runs in the forked child and never returns."""
    try:
        os.setpgid(0, 0)
        signal_when_parent_dies(keeper, signal.SIGKILL)
        give_up((NET_ADMIN, NET_RAW))
        os.dup2(2, 1)
        for number in signal.valid_signals():  # by Python, or by whoever started the node
            if signal.getsignal(number) is signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execvpe(argv[0], argv, environment)
    except OSError as failure:
        os.write(writer, os.fsencode(f"{argv[0]}: {failure.strerror}"))
    except BaseException as failure:
        os.write(writer, os.fsencode(f"{argv[0]}: {failure!r}"))
    finally:
        os._exit(127)


def _reap(application: int | None) -> tuple[bool, bool]:
    """Bury every dead child; (no child is left, the application was among them)."""
    ended = False
    try:
        while (buried := os.waitpid(-1, os.WNOHANG))[0]:
            if buried[0] == application:
                ended = True
                code = os.waitstatus_to_exitcode(buried[1])
                _tell(f"exited {code}" if code >= 0 else f"killed by {_name(-code)}")
    except ChildProcessError:
        return True, ended
    return False, ended


def _kill_all(application: int | None) -> None:
    """Kill every descendant; return when the kernel says that there is none.

    `application` is None when it has been buried: its number may be somebody else's by now.
    """
    if application is not None:
        _signal_group(application, signal.SIGKILL)  # in one step for those that fork faster than we look
    keeper = os.getpid()
    while not _reap(application)[0]:
        for process in processes():
            if process.parent == keeper:
                with contextlib.suppress(PermissionError):  # stay for it: our exit would say that it is gone
                    os.kill(process.pid, signal.SIGKILL)
        signal.sigtimedwait((signal.SIGCHLD,), _ROUND_SECONDS)


def _signal_group(group: int, number: int) -> bool:
    """Send `number` to the group; whether there is anything in it."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _name(number: int) -> str:
    """A signal's name; most of the real-time signals have none."""
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def _tell(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # the node is gone, and its signal is on its way
        os.write(1, os.fsencode(f"{line}\n"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
