"""Reads our pages as a browser or a screen reader would, and refuses what neither can."""

from html.parser import HTMLParser

VOID = {"meta", "br", "link", "img", "input", "hr"}
DRAWN = {"line", "rect", "circle", "path", "polyline"}  # SVG elements that may close themselves


class Page(HTMLParser):
    """A parsed page: its elements, its visible text, and what it refers to.

    Attributes:
        elements: (tag, attributes) in order.
        text: all text outside style and script, white space collapsed.
        links: every address that an attribute points to.
    """

    def __init__(self, html):
        super().__init__()
        self.elements, self.links, self._open, self._text = [], [], [], []
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {self._open}"
        self.text = " ".join("".join(self._text).split())

    def handle_starttag(self, tag, attributes):
        """Keep it, and expect its end."""
        self._keep(tag, attributes)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        """Keep it; only drawn shapes may close themselves."""
        assert tag in VOID | DRAWN, f"<{tag}/> doesn't close in HTML"
        self._keep(tag, attributes)

    def handle_endtag(self, tag):
        """Expect it to be the innermost open element."""
        assert self._open.pop() == tag

    def handle_data(self, data):
        """Keep visible text."""
        if self._open and self._open[-1] not in {"style", "script"}:
            self._text.append(data)

    def _keep(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes))
        self.links += [attributes[key] for key in ("href", "src", "action") if key in attributes]

    def all(self, tag, **wanted):
        """The attributes of every such element; `cls` is one of its classes."""
        cls = wanted.pop("cls", None)
        return [
            attributes
            for name, attributes in self.elements
            if name == tag
            and (cls is None or cls in (attributes.get("class") or "").split())
            and all(attributes.get(key) == value for key, value in wanted.items())
        ]

    def ids(self):
        """Every id, repeated ones repeatedly."""
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]
