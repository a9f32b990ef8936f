"""Programs that are refused today: each must raise exactly this error, and a test fails as soon as one of them works.

A gap here is loud by construction: a wrong number can never hide behind it.
"""

GAPS: dict[str, str] = {}
