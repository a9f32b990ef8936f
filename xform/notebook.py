"""Notebook display: a transformed function shows its generated source, highlighted."""
from __future__ import annotations

import html


def highlighted(text: str) -> str:
    """Return source text as HTML, highlighted with Pygments where it is installed."""
    try:
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import PythonLexer
    except ImportError:
        return f"<pre>{html.escape(text)}</pre>"
    return highlight(text, PythonLexer(), HtmlFormatter(noclasses=True))
