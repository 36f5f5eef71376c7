"""Loaded once by the fork server, so that each worker starts with everything in place.

Holds no key and no data: a worker gets those after it was forked.
"""

import detectors
from scanner import compose, registry

for _kind in (registry.stores, registry.readers, registry.evidence, detectors.all_detectors):
    _kind()
del _kind
_ = compose
