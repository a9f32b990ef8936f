"""``python -m xform`` is the xform command."""
import sys

from xform.cli import main

sys.exit(main())
