"""The words that speak for and against a number being a card, in the languages cards are used in.

Two uses: the *key* a number stands under (``card_no=``, ``"orderId":``, a column name), split into
its parts, and the *text* around it. Weights are natural log-odds.
"""

from __future__ import annotations

import re
from functools import lru_cache


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Parts of keys. A key is judged by its parts together: ``card_number`` is stronger than ``card``,
# ``card_id`` is weaker, ``order_card_ref`` is nothing much.
_CARD_PARTS = _set(
    """
    card cards cardno cardnum cardnumber cardnr ccnumber ccnum ccno cc ccn pan pans fpan dpan
    creditcard debitcard credit debit visa mastercard mc amex maestro jcb diners discover unionpay
    rupay mir troy elo karte kreditkarte kartennummer kartennr kreditkartennummer carte cb carta
    tarjeta cartao cartão kaart kaartnummer kort kortnummer kortnr karta karty kortti kart kártya
    kartya карта карты картa kad kartu kredit thẻ the_tin_dung primaryaccountnumber acctpan plastic
    卡号 卡 卡號 カード 카드 numtarjeta numerotarjeta nrkarty
    """
)
_NUMBER_PARTS = _set(
    """
    number num no nr nbr numero numéro número nummer numer numar number1 data value full clear plain
    raw primary account номер numarası numarasi
    """
)
_ID_PARTS = _set(
    """
    id ids uid uuid guid order orders trace tracer span request req session sess txn transaction tx
    trx tracking track parcel shipment imei imeisv imsi iccid msisdn serial sn ts time timestamp
    epoch created updated date datetime sku ean upc isbn gtin barcode invoice batch block blk lsn
    offset seq sequence build revision rev version user customer client member phone tel mobile fax
    hash digest checksum crc sum size length len bytes count total amount balance price latitude
    longitude lat lon lng coord iban bic swift routing ticket ref reference correlation device
    message msg job pid tid thread port host node pointer ptr addr address memory token auth arn
    account_id snowflake nonce cursor key index idx ratio score weight duration elapsed latency usec
    nsec micros millis nanos rrn stan arrival departure flight meter article case claim policy tax
    vat ein ssn npi passport licence license vehicle vin plate loan contract po bestellung auftrag
    bestellnummer sendung sendungsnummer commande pedido ordine zamowienie numer_zamowienia заказ
    id_заказа 订单 注文 주문
    """
)
_SPLIT = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\dA-Z_]+|[A-Z]")


@lru_cache(4096)
def key_weight(name: str) -> float:
    """What a key or column name says, from -6 (an id) to +6 (a card number); 0 for nothing."""
    whole = re.sub(r"[\W_]+", "", name).casefold()
    parts = {part.casefold() for part in _SPLIT.findall(name)}
    pairs = {whole, re.sub(r"\d+$", "", whole)}
    card = bool(parts & _CARD_PARTS or pairs & _CARD_PARTS)
    against = bool(parts & _ID_PARTS or pairs & _ID_PARTS)
    number = bool(parts & _NUMBER_PARTS)
    if card and against:
        return -1.0
    if card:
        return 6.0 if number or pairs & _CARD_PARTS else 4.5
    if against:
        return -6.0
    if parts <= {"number", "num", "no", "nr", "n", "value", "data", "text"}:
        return 0.0
    return -0.3


_FOR = {
    3.5: (
        r"credit ?cards?|debit ?cards?|card ?(?:no|num|number|nr|#)|cc ?(?:no|num|number|#)|pan"
        r"|primary account number|card ?holder(?: name)?|name on card|cvv2?|cvc2?|cid|csc"
        r"|security code|kreditkarten?(?:nummer)?|kartennummer|karteninhaber|pr[uü]fnummer"
        r"|carte (?:bancaire|bleue|de cr[eé]dit)|num[eé]ro de (?:la )?carte"
        r"|tarjetas?(?: de (?:cr[eé]dito|d[eé]bito))?|n[uú]mero de (?:la )?tarjeta"
        r"|cart[aã]o(?: de (?:cr[eé]dito|d[eé]bito))?|carta di credito|numero (?:della )?carta"
        r"|creditcard|kaartnummer|kortnummer|kredittkort|kreditkort|numer karty|karta p[lł]atnicza"
        r"|kredi kart[iı]|kart numaras[iı]|luottokortti|bankk[aá]rtya"
        r"|номер карты|банковск\w+ карт\w+"
        r"|बैंक कार्ड|بطاقة|رقم البطاقة|כרטיס אשראי"
    ),
    2.5: (
        r"cards?|cc|visa|master ?card|amex|american express|maestro|discover|diners(?: club)?|jcb"
        r"|union ?pay|ru ?pay|troy|verve|dankort|bancontact|hipercard|elo|mada|uzcard|humo|napas"
        r"|expir(?:y|es|ation)(?: date)?|exp(?:[ ._-]?date)?|valid (?:thru|until|to)|valid_thru"
        r"|gültig bis|date d'expiration|vencimiento|validade|scadenza|срок действия"
        r"|karte|kort|kaart|karta|kartu|kártya|карт[аыуе]"
    ),
    1.0: (
        r"payments?|pay|paid|charged?|billing|checkout|bank|atm|chip|swipe|pos|terminal|merchant"
        r"|cardholder_name|authori[sz]ation|zahlung|paiement|pago|pagamento|оплата"
    ),
}
_AGAINST = {
    -3.0: (
        r"order(?: ?(?:id|no|number))?|trace(?: ?id)?|request(?: ?id)?|session(?: ?id)?"
        r"|span(?: ?id)?"
        r"|tracking(?: ?(?:id|no|number))?|imei|imsi|iccid|serial(?: ?(?:no|number))?"
        r"|uuid|guid|sku|ean"
        r"|isbn|upc|gtin|barcode|invoice|lsn|blk|blocks?|offset|seq(?:uence)?|build|revision"
        r"|iban|parcel|shipment|waybill|correlation|device ?id|message ?id|job|thread|epoch"
        r"|timestamp|usec|nsec|micros|millis|nanos|hash|checksum|digest|latitude|longitude|coordinates?"
        r"|transaction(?: ?id)?|txn(?: ?id)?|ref(?:erence)?(?: ?(?:no|number))?|ticket|batch"
        r"|account balance|phone|telephone|fax|vin|meter|pointer|snowflake|cursor|nonce"
        r"|bestellung|bestellnummer|auftrag|sendungsnummer|commande|pedido|ordine|заказ"
    ),
}
# scripts that put no space between words
_UNSPACED = {3.5: r"信用卡|卡号|卡號|银行卡|カード|카드", -3.0: r"订单|注文|주문"}
_TEXT = re.compile(
    r"(?<![^\W\d_])(?:"
    + "|".join(f"({pattern})" for pattern in (*_FOR.values(), *_AGAINST.values()))
    + r")(?![^\W\d_])|"
    + "|".join(f"({pattern})" for pattern in _UNSPACED.values()),
    re.IGNORECASE,
)
_WEIGHTS = (0.0, *_FOR, *_AGAINST, *_UNSPACED)


def text_weight(before: str, after: str) -> tuple[float, str, str]:
    """What the words around a number say; and the strongest word for it and against it.

    A word counts less the further away it stands; only the strongest for and the strongest
    against count, since words repeat each other. Words behind the number count half.
    """
    best = worst = 0.0
    good = bad = ""
    for text, back in ((before, True), (after, False)):
        for match in _TEXT.finditer(text):
            weight = _WEIGHTS[match.lastindex or 0]
            distance = len(text) - match.end() if back else match.start()
            weight *= (1.0 if back else 0.6) * (1.0 if distance <= 24 else 24 / distance)
            if weight > best:
                best, good = weight, match[0]
            elif weight < worst:
                worst, bad = weight, match[0]
    return best + worst, good.casefold(), bad.casefold()
