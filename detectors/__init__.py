"""Detectors: bytes in, spans out. Usable without ``scanner``; see ``detectors.find``."""
