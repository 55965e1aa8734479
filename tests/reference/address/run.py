"""Run a scenario: call FUNCTION of FILE, below ROOT, with a stage that is its own.

python run.py ROOT FILE FUNCTION
"""

import importlib
import sys
from pathlib import Path

from takeover.lab.namespaces import NEW_NETWORK, enter_user_namespace, unshare


def main(root: str, file: str, function: str) -> None:
    """See the module's docstring."""
    sys.path.insert(0, root)
    stage = importlib.import_module("tests.reference.address.stage")
    enter_user_namespace()
    unshare(NEW_NETWORK)
    name = ".".join(Path(file).relative_to(root).with_suffix("").parts)
    getattr(importlib.import_module(name), function)(stage.Stage())


if __name__ == "__main__":
    main(*sys.argv[1:])
