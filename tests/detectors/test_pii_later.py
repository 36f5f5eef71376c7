import sys
from typing import Any

from detectors import pii_presidio
from detectors.pii_later import _Empty, _Later


def test_what_was_left_out_is_there_when_it_is_asked_for() -> None:
    """An engine without a model, and what Presidio kept of the package it was loaded without."""
    pii_presidio.package()
    from presidio_analyzer import nlp_engine, recognizer_registry

    assert not isinstance(sys.modules["presidio_analyzer.nlp_engine"], _Empty)
    later: Any = _Later("presidio_analyzer.nlp_engine", "NoOpNlpEngine")
    engine = later(models=[{"lang_code": "en", "model_name": "none"}])
    assert isinstance(engine, nlp_engine.NoOpNlpEngine)
    assert isinstance(engine, later)  # as Presidio asks
    assert not isinstance("text", later)
    registry = recognizer_registry.RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=engine)
    assert "US_SSN" in registry.get_supported_entities()
