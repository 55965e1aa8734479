"""`python -m takeover`: the command line."""

import sys

from takeover.cli import main

sys.exit(main())
