"""The configuration of a node and of a witness: what an operator wrote, read once and then trusted.

Every option, with its unit, its default and when to change it, is explained in `default_node.toml` and
`default_witness.toml`; those two files are themselves valid, and hold every optional key at its default.

What complicates it: some values are right only together. A grant that is asked for too seldom lapses under a healthy
server, and one whose slack eats it up is no grant. Those are refused here, with the numbers that decided, rather than
noticed as a server that never keeps its address.

Refused: defaults that depend on other values (a third of the lease, say). What a file does not say should be readable
in one place, and change with nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from takeover.address.interface import AddressConfig
from takeover.applications.applications import ApplicationConfig
from takeover.applications.health import Health
from takeover.core.state import counted_ns
from takeover.endpoint import Endpoint
from takeover.errors import ConfigurationError
from takeover.toml_table import Problems, Table, read_toml
from takeover_spec.words import PPM, Arbiter, Constants, Identity

MS = 1_000_000
"""Nanoseconds in a millisecond."""

GRANT_MS_MAX = 3_600_000
"""The longest grant, in ms: the identity guard takes a later end for a mistaken clock."""

BEATS_MIN = 2
"""How many beats have to fit into each grant at least, so that a lost message does not end it."""

SOCKET_PATH_BYTES_MAX = 107
"""The longest path of a Unix socket that Linux takes, in bytes."""

LONGEST_SOCKET_NAME = "intercept.sock"
"""Of the sockets in the data directory, the one with the longest name."""

_PREFIX = ("[!-~]{1,200}", 'a text of up to 200 printable characters of ASCII, such as "/takeover/"')
PROBE_MS_MAX = 1000
"""The longest wait for somebody else's answer for the public address, in ms; a takeover waits for it."""

_INTERFACE = (r"[^\s/:]{1,15}", "the name of an interface, up to 15 characters")
_NOWHERE = Endpoint("0.0.0.0", 1)
_PAIR = ("[A-Za-z0-9._-]{1,64}", "a name of up to 64 letters, digits, dots, dashes and underscores")


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """The channel between the servers: the secondary dials the primary."""

    listen: Endpoint | None
    """Where this server listens for its peer; never None at the primary."""
    peer: Endpoint | None
    """Where the peer listens; never None at the secondary."""


@dataclass(frozen=True, slots=True)
class ListenerConfig:
    """The public identity as a listener of this server, which passes connections on."""

    listen: Endpoint
    """The public address; the same at both servers."""
    forward: Endpoint
    """Where the application on this machine listens."""


@dataclass(frozen=True, slots=True)
class EtcdConfig:
    """An etcd cluster that keeps the witness's record."""

    endpoints: tuple[str, ...]
    """The URLs of its members, for clients."""
    prefix: str
    """What the names of our keys begin with."""
    user: str
    """Empty where etcd does not ask who is there."""
    password_file: Path | None
    ca_file: Path | None
    """The certificates that may vouch for the members; None for the system's own."""
    certificate_file: Path | None
    """This server's certificate, with `key_file`, where the members ask for one."""
    key_file: Path | None


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What a node was told."""

    file: Path
    pair: str
    """Names the pair; two servers and a witness of different pairs do not talk."""
    identity: Identity
    data_directory: Path
    keys: Path
    """The directory of this party's keys."""
    constants: Constants
    """What both servers and the witness must have been told alike."""
    beat_ns: int
    """How often grants are asked for, in nanoseconds."""
    patience_ns: int
    """How long the passive server may be silent before it is declared not eligible, in nanoseconds."""
    channel: ChannelConfig
    arbiter: Arbiter
    """Who plays the witness's part."""
    witness: Endpoint | EtcdConfig | None
    """Where the witness listens, or the etcd that takes its part; None where there is none."""
    public_identity: ListenerConfig | AddressConfig
    unsafe_bytes_max: int
    """When the unsafe queue holds this many bytes, applications are made to wait (QUEUE-6)."""
    applications: tuple[ApplicationConfig, ...]
    operator: Endpoint | None
    """Where an operator on another machine is listened to; None is nowhere."""
    metrics: Endpoint | None
    """Where the figures for Prometheus are served; None is nowhere."""
    log_level: str
    """`debug`, `info`, `warning` or `error`."""
    log_file: Path | None
    """Where the log goes; None is standard error."""


@dataclass(frozen=True, slots=True)
class WitnessConfig:
    """What a witness was told."""

    file: Path
    pair: str
    listen: Endpoint
    data_directory: Path
    keys: Path
    """The directory of this party's keys."""
    constants: Constants
    """What both servers and the witness must have been told alike."""
    log_level: str
    log_file: Path | None


@dataclass(frozen=True, slots=True)
class OperatorConfig:
    """What an operator's commands were told about a server on another machine."""

    file: Path
    pair: str
    server: Endpoint
    """Where the server listens for operators."""
    keys: Path
    """The directory of the operator's keys."""


Operated = Path | OperatorConfig
"""A server that an operator's command is for: on this machine, by its data directory, or elsewhere."""


def load_operated(path: Path) -> Operated:
    """Which server an operator's command is for: the file is a node's own, or an operator's.

    Raises ConfigurationError with everything that is wrong in it.
    """
    values = read_toml(path)
    if "server" not in values:
        return load_node(path).data_directory
    problems = Problems(path)
    top = Table(values, problems)
    config = OperatorConfig(path, top.text("pair", *_PAIR), top.endpoint("server"), top.path("keys"))
    top.finish()
    problems.raise_if_any()
    return config


def load_node(path: Path) -> NodeConfig:
    """Read a node's file. Raises ConfigurationError with everything that is wrong in it."""
    problems = Problems(path)
    values = read_toml(path)
    if "listen" in values and "identity" not in values:
        raise ConfigurationError(f"{path}: this is a witness's configuration, and a node's is wanted")
    top = Table(values, problems)
    identity = Identity[top.choice("identity", ("primary", "secondary")).upper()]
    synchronous = top.choice("mode", ("synchronous", "asynchronous"), "synchronous") == "synchronous"
    grants = top.table("grants")
    constants = _constants(grants, synchronous)
    beat_ns, patience_ns = _beat_and_patience(grants, constants)
    witness, queue = top.table("witness"), top.table("queue")
    operator, metrics = top.table("operator"), top.table("metrics")
    arbiter = Arbiter(top.choice("arbiter", tuple(Arbiter), Arbiter.WITNESS))
    public_identity = top.table("public_identity")
    directory = _data_directory(top)
    level, log_file = _logging(top.table("logging"))
    pair = top.text("pair", *_PAIR)
    config = NodeConfig(
        file=path,
        pair=pair,
        identity=identity,
        data_directory=directory,
        keys=top.path("keys"),
        constants=constants,
        beat_ns=beat_ns,
        patience_ns=patience_ns,
        channel=_channel(top.table("channel"), identity),
        arbiter=arbiter,
        witness=_witness(witness, arbiter),
        public_identity=_public_identity(public_identity, pair),
        unsafe_bytes_max=queue.number("unsafe_bytes_max", 64 << 20, 1 << 50, "bytes", 256 << 20),
        applications=_applications(top, directory),
        operator=operator.endpoint("listen") if operator.has("listen") else None,
        metrics=metrics.endpoint("listen") if metrics.has("listen") else None,
        log_level=level,
        log_file=log_file,
    )
    _refuse_one_for_two(public_identity, config)
    for table in (top, grants, witness, queue, operator, metrics, public_identity):
        table.finish()
    problems.raise_if_any()
    return config


def load_witness(path: Path) -> WitnessConfig:
    """Read a witness's file. Raises ConfigurationError with everything that is wrong in it."""
    problems = Problems(path)
    values = read_toml(path)
    if "identity" in values:
        raise ConfigurationError(f"{path}: this is a node's configuration, and a witness's is wanted")
    top = Table(values, problems)
    synchronous = top.choice("mode", ("synchronous", "asynchronous"), "synchronous") == "synchronous"
    grants = top.table("grants")
    level, log_file = _logging(top.table("logging"))
    config = WitnessConfig(
        file=path,
        pair=top.text("pair", *_PAIR),
        listen=top.endpoint("listen"),
        data_directory=_data_directory(top),
        keys=top.path("keys"),
        constants=_constants(grants, synchronous),
        log_level=level,
        log_file=log_file,
    )
    for table in (top, grants):
        table.finish()
    problems.raise_if_any()
    return config


def _constants(grants: Table, synchronous: bool) -> Constants:
    """The numbers that servers and witness must have been told alike."""
    lease_ms = grants.number("lease_ms", 1, GRANT_MS_MAX, "milliseconds", 3000)
    promise_ms = grants.number("promise_ms", 1, GRANT_MS_MAX, "milliseconds", 3000)
    drift_ppm = grants.number("drift_ppm", 0, PPM - 1, "parts per million", 1000)
    slack_ms = grants.number("expiry_slack_ms", 0, GRANT_MS_MAX, "milliseconds", 200)
    for name, length_ms in (("lease_ms", lease_ms), ("promise_ms", promise_ms)):
        left_ms = counted_ns(length_ms * MS, drift_ppm) / MS
        if grants.is_good(name, "drift_ppm", "expiry_slack_ms") and slack_ms >= left_ms:
            grants.problem(
                "expiry_slack_ms",
                f"{slack_ms}",
                f"less than the {left_ms:g} ms that {name} = {length_ms} leaves at drift_ppm = {drift_ppm}",
            )
    return Constants(lease_ms * MS, promise_ms * MS, drift_ppm, slack_ms * MS, synchronous)


def _beat_and_patience(grants: Table, constants: Constants) -> tuple[int, int]:
    """How often grants are asked for, and how long a silence is borne, in nanoseconds."""
    beat_ms = grants.number("beat_ms", 1, GRANT_MS_MAX, "milliseconds", 500)
    patience_ms = grants.number("patience_ms", 1, GRANT_MS_MAX, "milliseconds", 6000)
    agreed = ("drift_ppm", "expiry_slack_ms", "beat_ms")
    for name, length_ns in (("lease_ms", constants.lease_ns), ("promise_ms", constants.promise_ns)):
        left_ns = counted_ns(length_ns, constants.drift_ppm) - constants.expiry_slack_ns
        if grants.is_good(name, *agreed) and beat_ms * MS * BEATS_MIN > left_ns:
            grants.problem(
                "beat_ms",
                f"{beat_ms}",
                f"at most {left_ns / MS / BEATS_MIN:g} ms, for {name} = {length_ns // MS} leaves {left_ns / MS:g} ms"
                " after drift and slack",
            )
    if grants.is_good("beat_ms", "patience_ms") and patience_ms < 2 * beat_ms:
        grants.problem("patience_ms", f"{patience_ms}", f"at least two beats, {2 * beat_ms} ms")
    return beat_ms * MS, patience_ms * MS


def _data_directory(top: Table) -> Path:
    directory = top.path("data_directory")
    socket = directory / LONGEST_SOCKET_NAME
    if top.is_good("data_directory") and len(bytes(socket)) > SOCKET_PATH_BYTES_MAX:
        found = f"{directory}, where a socket would be {len(bytes(socket))} bytes deep"
        top.problem(
            "data_directory", found, f"a path that leaves {socket.name} within {SOCKET_PATH_BYTES_MAX} bytes"
        )
    return directory


def _channel(channel: Table, identity: Identity) -> ChannelConfig:
    """The one end that this server needs, and the other if it is there."""
    needed = "listen" if identity is Identity.PRIMARY else "peer"
    ends = {
        name: channel.endpoint(name) if channel.has(name) or name == needed else None
        for name in ("listen", "peer")
    }
    channel.finish()
    return ChannelConfig(ends["listen"], ends["peer"])


def _witness(table: Table, arbiter: Arbiter) -> Endpoint | EtcdConfig | None:
    if arbiter is not Arbiter.WITNESS:
        for name in ("address", "etcd"):
            if table.has(name):  # whoever names a witness wants it asked
                found = f'a witness, beside arbiter = "{arbiter}", which asks none'
                table.problem(name, found, 'either arbiter = "witness" or no witness')
        return None
    if not table.has("etcd"):
        return table.endpoint("address")
    if table.has("address"):
        table.problem("address", "`etcd` beside it", "one of the two")
    files = {
        name: table.path(name) if table.has(name) else None
        for name in ("password_file", "ca_file", "certificate_file", "key_file")
    }
    prefix = table.text("prefix", *_PREFIX) if table.has("prefix") else "/takeover/"
    user = table.text("user", ".+", "a name") if table.has("user") else ""
    config = EtcdConfig(table.urls("etcd"), prefix, user, **files)
    for name, there, other in (
        ("password_file", bool(user), config.password_file),
        ("key_file", config.certificate_file is not None, config.key_file),
    ):
        if there != (other is not None):
            needs = "user" if name == "password_file" else "certificate_file"
            table.problem(name, "one without the other", f"`{needs}` and `{name}` together")
    if any(files[name] for name in ("ca_file", "certificate_file")):
        for url in config.endpoints:
            if not url.startswith("https:"):
                table.problem("etcd", f"{url} beside the files for TLS", "https: URLs")
    return config


def _public_identity(table: Table, pair: str) -> ListenerConfig | AddressConfig:
    """Either a listener or addresses on an interface; not both."""
    kinds = {"listener": ("listen", "forward"), "addresses": ("interface", "addresses", "probe_ms")}
    said = {kind: [name for name in names if table.has(name)] for kind, names in kinds.items()}
    if said["listener"] and said["addresses"]:
        found = f"as well as {', '.join(said['listener'])}"
        table.problem(
            said["addresses"][0], found, "either `interface` and `addresses`, or `listen` and `forward`"
        )
        return ListenerConfig(_NOWHERE, _NOWHERE)
    if said["addresses"]:
        return AddressConfig(
            pair,
            table.text("interface", *_INTERFACE),
            table.interface_addresses("addresses"),
            table.number("probe_ms", 0, PROBE_MS_MAX, "milliseconds", 30),
        )
    listen, forward = table.endpoint("listen"), table.endpoint("forward")
    if table.is_good("listen", "forward") and listen == forward:
        table.problem("forward", str(forward), "another address than `listen`: the application's own")
    return ListenerConfig(listen, forward)


def _refuse_one_for_two(table: Table, config: NodeConfig) -> None:
    """The public address is for clients alone."""
    if not isinstance(config.public_identity, ListenerConfig) or not table.is_good("listen"):
        return
    public, others = config.public_identity.listen, {"channel.listen": config.channel.listen}
    for key, other in (
        others | {"operator.listen": config.operator, "metrics.listen": config.metrics}
    ).items():
        if other and public.overlaps(other):
            table.problem("listen", f"{public}, and {key} = {other}", "an address or a port of its own")


def _logging(table: Table) -> tuple[str, Path | None]:
    level = table.choice("level", ("debug", "info", "warning", "error"), "info")
    file = table.path("file") if table.has("file") else None
    table.finish()
    return level, file


def _applications(top: Table, data_directory: Path) -> tuple[ApplicationConfig, ...]:
    applications: list[ApplicationConfig] = []
    for table in top.tables("application"):
        application = _application(table, data_directory)
        if application.name and application.name in {other.name for other in applications}:
            table.problem("name", f'"{application.name}" once more', "a name of its own")
        applications.append(application)
        table.finish()
    return tuple(applications)


def _application(table: Table, data_directory: Path) -> ApplicationConfig:
    """One application; what the file does not say is left to the defaults of `ApplicationConfig`."""
    name = table.text("name", *_PAIR)
    numbers = {
        "health_interval_ms": (1, "milliseconds"),
        "health_failures_max": (1, "failures"),
        "stop_timeout_ms": (0, "milliseconds"),
        "ready_timeout_ms": (1, "milliseconds"),
    }
    said = {
        key: table.number(key, least, GRANT_MS_MAX, unit)
        for key, (least, unit) in numbers.items()
        if table.has(key)
    }
    health: Health | None = None
    if table.has("health"):
        health = table.words("health") if table.holds_list("health") else table.endpoint("health")
    return ApplicationConfig(
        name=name,
        argv=table.words("command"),
        log_path=table.path("log") if table.has("log") else data_directory / f"{name}.log",
        environment=table.texts("environment"),
        health=health,
        directory=table.directory,
        **said,
    )
