"""Loaded once by the fork server, so that each worker starts with everything in place.

Holds no key and no data: a worker gets those after it was forked.
"""

import detectors
from scanner import compose, registry
from scanner.stores import files

registry.readers()
detectors.all_detectors(frozenset({"card"}))
_ = (compose, files)
