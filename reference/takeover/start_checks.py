"""What is looked at before a service touches its data directory: what would only be noticed later, or at a takeover.

A configuration can be right in itself and wrong for this machine: an address of another one, a port that somebody else
has, a program that is not there. Noticed here, it is named with its file and its key, nothing was begun, and nobody has
found out by an outage.

What complicates it: the public address of a listener may be held by the other server on this machine, so only whether
the address is this machine's is asked, and not whether its port is free. And whatever is looked at may change in the
next moment; then it is an error where it is used.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
from pathlib import Path

from takeover.applications.applications import ApplicationConfig
from takeover.config import ListenerConfig, NodeConfig, WitnessConfig
from takeover.endpoint import Endpoint
from takeover.errors import CallerError, ConfigurationError, DirectoryHeld, DirectoryOfAnother
from takeover.storage.data_directory import DataDirectory
from takeover.storage.durable_state import Owner
from takeover.toml_table import Problems
from takeover_spec.words import Identity

_FREE = "an address and port of this machine that nobody else listens on"
_LOCAL = "an address of this machine"


def check_node(config: NodeConfig) -> None:
    """Raise ConfigurationError with everything that keeps a server from running here as it was told."""
    problems = Problems(config.file)
    if config.identity is Identity.PRIMARY and config.channel.listen:
        _check_free(problems, "channel.listen", config.channel.listen)
    if config.metrics:
        _check_free(problems, "metrics.listen", config.metrics)
    if isinstance(config.public_identity, ListenerConfig):
        _check_local(problems, "public_identity.listen", config.public_identity.listen)
    for number, application in enumerate(config.applications, 1):
        _check_programs(problems, f"application[{number}]", application)
    problems.raise_if_any()


def check_witness(config: WitnessConfig) -> None:
    """Raise ConfigurationError with everything that keeps a witness from running here as it was told."""
    problems = Problems(config.file)
    _check_free(problems, "listen", config.listen)
    problems.raise_if_any()


def open_data_directory(config: NodeConfig | WitnessConfig) -> DataDirectory:
    """The data directory of a service, which is this service's own. Raises `TakeoverError`."""
    identity = config.identity.name.lower() if isinstance(config, NodeConfig) else "witness"
    try:
        return DataDirectory.open(config.data_directory, owner=Owner(config.pair, identity))
    except (DirectoryHeld, DirectoryOfAnother):
        raise
    except CallerError as error:
        raise ConfigurationError(f"{config.file}: data_directory: {error}") from error


def _check_free(problems: Problems, key: str, endpoint: Endpoint) -> None:
    """Listen there for an instant."""
    if reason := _refusal(endpoint, endpoint.port):
        problems.add(key, f"{endpoint}, which cannot be listened on: {reason}", _FREE)


def _check_local(problems: Problems, key: str, endpoint: Endpoint) -> None:
    if reason := _refusal(endpoint, 0):
        problems.add(key, f"{endpoint}, which cannot be listened on: {reason}", _LOCAL)


def _refusal(endpoint: Endpoint, port: int) -> str:
    """Why nothing can listen on this port of the endpoint's address, where 0 is any; empty if something can."""
    family = socket.AF_INET6 if endpoint.is_ipv6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((endpoint.host, port))
            listening.listen()
    except OSError as error:
        return os.strerror(error.errno or errno.EIO)
    return ""


def _check_programs(problems: Problems, key: str, application: ApplicationConfig) -> None:
    """The programs of an application have to be there on both servers: the passive one starts them in an emergency."""
    commands = {"command": application.argv}
    if isinstance(application.health, tuple):
        commands["health"] = application.health
    path = application.environment.get("PATH", os.environ.get("PATH", os.defpath))
    for name, command in commands.items():
        if command and not shutil.which(command[0], path=path):
            problems.add(
                f"{key}.{name}", f'"{command[0]}", {_lack(command[0], path)}', "a program of this machine"
            )


def _lack(program: str, path: str) -> str:
    """Why a program cannot be started."""
    if "/" not in program:
        return f"which is in none of {path}"
    if not Path(program).exists():
        return "which does not exist"
    return "which is a directory" if Path(program).is_dir() else "which is not executable"
