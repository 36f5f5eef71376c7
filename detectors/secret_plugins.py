"""The plug-ins of detect-secrets, made one by one: none of its global settings are touched, so no
``pragma: allowlist secret`` in the data can silence a finding, and nothing is ever verified over
the network."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any


@cache
def plugin(name: str) -> Any:
    """A plug-in by ``module.Class``."""
    module, _, made = name.partition(".")
    package: Any = importlib.import_module(f"detect_secrets.plugins.{module}")
    return getattr(package, made)()


def confirms(name: str, window: str) -> bool:
    """Whether the plug-in sees a secret in the window."""
    return next(iter(plugin(name).analyze_string(window)), None) is not None
