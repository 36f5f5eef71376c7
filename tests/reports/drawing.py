"""Drawing a report into a string, and taking apart what came out."""

from __future__ import annotations

import io
import json
from html.parser import HTMLParser
from typing import Any

from scanner.contracts import Report
from scanner.model import Run


def draw(report: Report, run: Run) -> str:
    out = io.StringIO()
    report.write(run, out)
    return out.getvalue()


class Page(HTMLParser):
    """Elements, attributes and texts of a page; ``texts`` by the tag they stand in."""

    VOID = frozenset(
        {"meta", "link", "br", "input", "wbr", "rect", "path", "circle", "use", "line"}
    )

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self) -> str:
        """What a reader sees without script."""
        shown = (text for tag, text in self.texts if tag not in {"script", "style", "title"})
        return " ".join(" ".join(shown).split())

    def island(self) -> dict[str, Any]:
        """The data for the script."""
        scripts = [text for tag, text in self.texts if tag == "script"]
        loaded: dict[str, Any] = json.loads(scripts[0])
        return loaded


def column(table: dict[str, Any], name: str) -> list[Any]:
    """The values of a column of the island, row by row."""
    found = table[name]
    if "v" in found:
        return list(found["v"])
    if "l" in found:
        lines: list[Any] = found["l"].split("\n")[: table["n"]]
        return lines
    entries = found["d"].split("\n")
    return [entries[i] for i in found["i"]]
