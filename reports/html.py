"""The page a compliance officer hands to an auditor: one file, no request, readable without script.

A strict policy stands in a meta tag (``default-src 'none'``, hashes for the one style and the one
script); there is no inline style or handler. Every expression of the templates passes
``printable`` and then HTML escaping, so no name can reorder, hide or execute anything.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from typing import TYPE_CHECKING, Any, TextIO

from reports import figures, island, requirements, words
from reports.page import page
from scanner.model import Run
from scanner.text import printable

if TYPE_CHECKING:
    import jinja2


class HtmlReport:
    name = "html"
    suffix = ".html"

    def write(self, run: Run, out: TextIO) -> None:
        """One self-contained page, written piece by piece."""
        view = page(run)
        template = _environment().get_template("report.html.j2")
        style, script = _asset("report.css"), _asset("report.js")
        pieces = template.generate(
            page=view,
            run=run,
            style=_raw(style),
            script=_raw(script),
            style_hash=_csp_hash(style),
            script_hash=_csp_hash(script),
            island={
                "findings": island.findings(view.findings),
                "outcomes": island.outcomes(view.not_read),
            },
        )
        for piece in pieces:
            out.write(piece)


REPORT = HtmlReport()


def _csp_hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256-" + base64.b64encode(digest).decode()


def _asset(name: str) -> str:
    from importlib import resources

    return (resources.files("reports") / "templates" / name).read_text("utf-8")


def _raw(text: str) -> str:
    """Our own style or script, which goes into the page as it is."""
    from markupsafe import Markup

    if "</" in text:
        raise ValueError("a style or script that holds a closing tag would end early")
    return Markup(text)  # noqa: S704 - package data of ours, no name is in it


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2
    from markupsafe import Markup

    def finalize(value: Any) -> Any:
        """What every expression of a template passes on its way out."""
        if isinstance(value, Markup):
            return value
        if value is None:
            raise TypeError("a template prints None: say in words what is not known")
        return printable(str(value))

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "separators": (",", ":")}
    environment.globals.update(words=words, requirement=requirements.text)
    environment.filters.update(
        n=words.number,
        size=words.size,
        moment=words.moment,
        day=words.day,
        brand=words.brand,
        entity=words.entity,
        place=words.place,
        confirmed=figures.confirmed,
    )
    return environment
