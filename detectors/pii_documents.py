"""Passports, licences and cards of other countries whose numbers say too little by themselves:
found behind a word of the country, or in a column named for them."""

from __future__ import annotations

import re

from detectors.pii_kind import Kind, shape

_NUMBER = r".{0,2}(?:no|nr|num\w*|id|#)"

DOCUMENTS: tuple[Kind, ...] = (
    Kind(
        "ES_PASSPORT",
        "EsPassportRecognizer",
        shape(rb"[A-Z]{3}[0-9]{6}"),
        0.0,
        0.9,
        r"pasaportes?|spanish.passport",
        regions=("es",),
    ),
    Kind(
        "IT_PASSPORT",
        "ItPassportRecognizer",
        shape(rb"[A-Z]{2}[0-9]{7}"),
        0.0,
        0.9,
        r"passaporto|italian.passport",
        regions=("it",),
    ),
    Kind(
        "KR_PASSPORT",
        "KrPassportRecognizer",
        shape(rb"[MSRODmsrod](?:[0-9]{3}[A-Za-z][0-9]{4}|[0-9]{8})"),
        0.0,
        0.9,
        r"korean.passport",
        regions=("kr",),
    ),
    Kind(
        "PH_PASSPORT",
        "PhPassportRecognizer",
        shape(rb"[A-Z][0-9]{7}[A-Z]|[A-Z]{2}[0-9]{7}"),
        0.0,
        0.9,
        r"philippine.passport|filipino.passport",
        regions=("ph",),
    ),
    Kind(
        "ZA_PASSPORT",
        "ZaPassportRecognizer",
        shape(rb"[ADMT][0-9]{8}"),
        0.0,
        0.9,
        r"south.african.passport|r?sa.passport",
        regions=("za",),
    ),
    Kind(
        "IT_DRIVER_LICENSE",
        "ItDriverLicenseRecognizer",
        shape(rb"[A-Z]{2}[0-9]{7}[A-Z]|U1[B-HJ-NP-Z0-9]{7}[A-Z]", re.IGNORECASE),
        0.0,
        0.92,
        r"patente(?:.di.guida)?|licenza.di.guida",
        regions=("it",),
    ),
    Kind(
        "KR_DRIVER_LICENSE",
        "KrDriverLicenseRecognizer",
        shape(rb"[0-9]{2}-[0-9]{2}-[0-9]{6}-[0-9]{2}|[0-9]{12}"),
        0.0,
        0.9,
        r"korean.driver'?s?.licen[cs]e",
        regions=("kr",),
    ),
    Kind(
        "DE_FUEHRERSCHEIN",
        "DeFuehrerscheinRecognizer",
        shape(rb"[A-Z]{2}[0-9]{8}[A-Z0-9]"),
        0.0,
        0.92,
        r"f(?:ü|ue|u)hrerschein\w*|fahrerlaubnis\w*",
        regions=("de",),
    ),
    Kind(
        "IT_IDENTITY_CARD",
        "ItIdentityCardRecognizer",
        shape(rb"[A-Z]{2}[0-9]{7}|[0-9]{7}[A-Z]{2}|[A-Z]{2}[0-9]{5}[A-Z]{2}", re.IGNORECASE),
        0.0,
        0.9,
        r"carta.d.?identit\w*|italian.id(?:entity)?.card",
        regions=("it",),
    ),
    Kind(
        "KR_FRN",
        "KrFrnRecognizer",
        shape(rb"[0-9]{2}[01][0-9][0-3][0-9]-?[5-8][0-9]{6}"),
        0.0,
        0.95,
        r"frn|foreigner.registration" + _NUMBER,
        regions=("kr",),
    ),
    Kind(
        "PH_UMID",
        "PhUmidRecognizer",
        shape(rb"[0-9]{4}-[0-9]{7}-[0-9]|[0-9]{12}"),
        0.0,
        0.92,
        r"umid|gsis|philhealth",
        regions=("ph",),
    ),
    Kind(
        "PH_TIN",
        "PhTinRecognizer",
        shape(rb"[0-9]{3}-[0-9]{3}-[0-9]{3}(?:-[0-9]{3})?"),
        0.0,
        0.9,
        r"tin|bir",
        regions=("ph",),
    ),
    Kind(
        "US_HEALTH_INSURANCE_MEMBER_ID",
        "UsHealthInsuranceMemberIdRecognizer",
        shape(rb"[A-Z]{1,5}-?[A-Z0-9]{0,3}[0-9][A-Z0-9]{4,10}"),
        0.0,
        0.88,
        r"(?:health|insurance|plan).{0,2}(?:insurance.{0,2})?(?:member|subscriber|policy)"
        + _NUMBER,
        regions=("us",),
    ),
)
