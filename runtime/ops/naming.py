"""Names for values: what a policy of rematerialization may refer to."""
from __future__ import annotations


def checkpoint_name(x, name):
    """Return ``x`` as it is; policies of ``checkpoint`` know it by ``name``."""
    return x
