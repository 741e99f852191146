"""`python -m mriops.cli` is the `mriops` command."""

import sys

from mriops.cli.main import main

sys.exit(main())
