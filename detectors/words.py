"""The words that speak for and against a number being a card, in the languages cards are used in.

Two uses: the *key* a number stands under (``card_no=``, ``"orderId":``, a column name), split into
its parts, and the *text* around it. Weights are natural log-odds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
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
    uuid guid order orders trace tracer span request req session sess tracking track parcel
    shipment imei imeisv imsi iccid msisdn serial sn ts time timestamp epoch created updated
    date datetime sku ean upc isbn gtin barcode invoice batch block blk lsn offset seq sequence
    build revision rev version phone tel mobile fax hash digest checksum crc sum size length len
    bytes count total amount balance price latitude longitude lat lon lng coord iban bic swift
    routing correlation job pid tid thread port host node pointer ptr addr address memory arn
    account_id snowflake nonce cursor index idx ratio score weight duration elapsed latency usec
    nsec micros millis nanos rrn stan arrival departure flight meter article tax vat ein ssn npi
    passport licence license vehicle vin sha sha1 sha256 sha512 md md5 hmac plate po bestellung
    auftrag bestellnummer sendung sendungsnummer commande pedido ordine zamowienie
    numer_zamowienia заказ id_заказа 订单 注文 주문
    """
)
_LOOSE_PARTS = _set(
    """
    id ids uid user customer client member ref reference transaction txn tx trx key token
    message msg device auth contract ticket claim policy case loan code
    """
)
"""names of ids that people also put other things under"""
_SPLIT = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\dA-Z_]+|[A-Z]")


@lru_cache(4096)
def key_weight(name: str) -> float:
    """What a key or column name says, from -6 (an id) to +6 (a card number); 0 for nothing."""
    whole = re.sub(r"[\W_]+", "", name).casefold()
    parts = {part.casefold() for part in _SPLIT.findall(name)}
    pairs = {whole, re.sub(r"\d+$", "", whole)}
    card = bool(parts & _CARD_PARTS or pairs & _CARD_PARTS)
    against = bool(parts & _ID_PARTS or pairs & _ID_PARTS)
    loose = bool(parts & _LOOSE_PARTS)
    number = bool(parts & _NUMBER_PARTS)
    if card and (against or loose):
        return -1.0
    if card:
        return 6.0 if number or pairs & _CARD_PARTS else 4.5
    if against:
        return -6.0
    if loose:
        return -3.5
    if len(name) == 1 and name not in "n":
        return -0.5
    if parts <= {"number", "num", "no", "nr", "n", "value", "data", "text"}:
        return 0.0
    return -0.3


_STRONG = """
    credit card/credit cards/debit card/debit cards/creditcard/card no/card num/card number/card nr
    card numbers/cc no/cc num/cc number/pan/primary account number/cardholder/card holder
    name on card/cvv/cvv2/cvc/cvc2/cid/csc/security code/kreditkarte/kreditkarten/kreditkartennummer
    kartennummer/karteninhaber/prüfnummer/pruefnummer/carte bancaire/carte bleue/carte de crédit
    carte de credit/numéro de carte/numero de carte/tarjeta/tarjetas/tarjeta de crédito
    número de tarjeta/numero de tarjeta/cartão/cartao/cartão de crédito/carta di credito
    numero carta/numero della carta/kaartnummer/kortnummer/kredittkort/kreditkort/numer karty
    karta płatnicza/kredi kartı/kart numarası/luottokortti/bankkártya/номер карты
    банковская карта/банковской карты/банковскую карту/बैंक कार्ड/بطاقة/رقم البطاقة/כרטיס אשראי
"""
_MIDDLE = """
    card/cards/cc/visa/mastercard/master card/amex/american express/maestro/discover/diners
    diners club/jcb/unionpay/union pay/rupay/troy/verve/dankort/bancontact/hipercard/elo/mada
    uzcard/humo/napas/expiry/expires/expiration/expiration date/expiry date/exp/exp date/valid thru
    valid until/gültig bis/date d'expiration/vencimiento/validade/scadenza/срок действия
    karte/kort/kaart/karta/kartu/kártya/kortti/carte/карта/карты/карту/карте/картой
"""
_WEAK = """
    payment/payments/pay/paid/charge/charged/billing/checkout/bank/atm/chip/swipe/pos/terminal
    merchant/authorisation/authorization/authorised/authorized/zahlung/paiement/pago/pagamento/оплата
"""
_OTHER = """
    order/orders/order id/order no/order number/trace/trace id/request/request id/session/session id
    span/span id/tracking/tracking id/tracking no/tracking number/imei/imsi/iccid/serial/serial no
    serial number/uuid/guid/sku/ean/isbn/upc/gtin/barcode/invoice/lsn/blk/block/blocks/offset/seq
    sequence/build/revision/iban/parcel/shipment/waybill/correlation/device id/message id/job/thread
    epoch/timestamp/usec/nsec/micros/millis/nanos/hash/checksum/digest/latitude/longitude
    coordinate/coordinates/transaction/transaction id/txn/txn id/ref/reference/ref no
    reference number/ticket/batch/account balance/phone/telephone/fax/vin/meter/pointer/snowflake
    req/size/sizes/scores/ports/years/rows/port/size/range/lot/zip/tweet/user id
    cursor/nonce/bestellung/bestellnummer/auftrag/sendungsnummer/commande/pedido/ordine/заказ
"""


def _phrases() -> dict[str, float]:
    out: dict[str, float] = {}
    for text, weight in ((_STRONG, 3.5), (_MIDDLE, 2.5), (_WEAK, 1.0), (_OTHER, -3.4)):
        for phrase in re.split(r"[/\n]", text):
            if phrase.strip():
                out[" ".join(_WORD.findall(phrase.casefold()))] = weight
    return out


_WORD = re.compile(r"[^\W\d_]+2?")
_PHRASES = _phrases()
_LAST_WORDS = frozenset(phrase.rpartition(" ")[2] for phrase in _PHRASES if " " in phrase)
_UNSPACED = {
    word: weight
    for words, weight in (("信用卡 卡号 卡號 银行卡 カード 카드", 3.5), ("订单 注文 주문", -3.0))
    for word in words.split()
}


def text_weight(before: str, after: str) -> tuple[float, str, str]:
    """What the words around a number say; and the strongest word for it and against it.

    A word counts less the further away it stands, and less on another line; only the strongest for
    and the strongest against count, since words repeat each other. A word for it on its own line
    makes words against it on other lines irrelevant.
    """
    best = worst = elsewhere = 0.0
    good = bad = other = ""
    for text, back in ((before.casefold(), True), (after.casefold(), False)):
        for phrase, start, end in _known(text):
            distance = len(text) - end if back else start
            weight = _PHRASES.get(phrase) or _UNSPACED[phrase]
            weight *= _nearness(distance, back)
            same_line = "\n" not in (text[end:] if back else text[:start])
            if not same_line:
                weight *= 0.5 if back else 0.25
            if weight > best:
                best, good = weight, phrase
            elif weight < worst and same_line:
                worst, bad = weight, phrase
            elif weight < elsewhere:
                elsewhere, other = weight, phrase
    if elsewhere < worst and best < 2.0:
        worst, bad = elsewhere, other
    return best + (worst if best < 5.0 else worst / 2), good, bad


def _nearness(distance: int, back: bool) -> float:
    """2 for a word right in front, 1 up to 24 characters, then less and less; behind, 0.6."""
    if back and distance <= 4:
        return 2.0
    return (1.0 if back else 0.6) * (1.0 if distance <= 24 else 24 / distance)


def _known(text: str) -> Iterator[tuple[str, int, int]]:
    """Known phrases of one to three words: phrase, start, end."""
    one = two = ""
    starts = (0, 0)
    for match in _WORD.finditer(text):
        word, (start, end) = match[0], match.span()
        if word in _PHRASES:
            yield word, start, end
        if word in _LAST_WORDS:
            for phrase, begin in ((f"{one} {word}", starts[1]), (f"{two} {one} {word}", starts[0])):
                if phrase in _PHRASES:
                    yield phrase, begin, end
        two, one, starts = one, word, (starts[1], start)
    if not text.isascii():
        for word in _UNSPACED:
            at = text.find(word)
            if at >= 0:
                yield word, at, at + len(word)
