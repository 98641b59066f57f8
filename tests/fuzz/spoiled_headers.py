"""Requests that are signed rightly, and the same ones spoiled in ways that attackers may try."""

from __future__ import annotations

import re
import string
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from django_visualsnoop.server.http.vshmac import NEWEST, OLDEST, sign_request

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

BASE64 = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
ODD = "\0\t\n\r \x0b\x7f\x80\xa0\xad\u0130\u017f\u212a\u200b\uff1a\ufeff\ud800\U0001f600:=,;\"'%"
#: Beyond what the clock allows, in minutes.
TOO_FAR = (-100_000, -1000, -90, -76, 16, 30, 1000, 100_000)


class Sent(NamedTuple):
    """What a request says of itself."""

    method: str
    path: str
    authorization: str
    date: str


class Signer(NamedTuple):
    public_key: str
    secret: str


class Mint:
    """Makes requests that are signed rightly, and spoils them.

    Args:
        keys: whose signatures are accepted; at least two.
        dice: where all chance comes from.
    """

    def __init__(self, keys: list[Signer], dice: random.Random) -> None:
        self.keys = keys
        self._dice = dice
        self.changes: list[Callable[[Sent, Signer], Sent]] = [
            self._signature_bits,
            self._signature_form,
            self._cut,
            self._odd_sign,
            self._other_case,
            self._doubled,
            self._white_space,
            self._other_encoding,
            self._other_key,
            self._replayed,
            self._dated_too_far,
            self._date_written_otherwise,
            self._noise,
        ]

    def valid(self) -> tuple[Sent, Signer]:
        """Return a request as a client sends it, and whose it is."""
        dice = self._dice
        method, path = dice.choice(["GET", "PUT", "POST", "DELETE"]), self._path()
        date = self._stamp(dice.uniform(-70, 10))
        whose = dice.choice(self.keys)
        return Sent(method, path, self._header(whose, method, path, date), date), whose

    def spoiled(self) -> tuple[Sent, str]:
        """Return a request that is not signed rightly, and what was done to it."""
        while True:
            sent, whose = self.valid()
            changes = self._dice.sample(self.changes, self._dice.choice([1, 1, 1, 2, 3]))
            new = sent
            for change in changes:
                new = change(new, whose)
            if not self._is_right(new):
                kind = changes[0].__name__ if len(changes) == 1 else "several"
                return new, kind.strip("_").replace("_", " ")

    def _is_right(self, sent: Sent) -> bool:
        """Whether the changes came to what may be accepted, by the rules written anew."""
        header = re.sub("^vshmac ", "VSHMAC ", sent.authorization, flags=re.ASCII | re.IGNORECASE)
        if not any(
            header == self._header(whose, sent.method, sent.path, sent.date) for whose in self.keys
        ):
            return False
        try:
            date = datetime.strptime(sent.date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
        except ValueError:
            return False
        return -NEWEST < datetime.now(UTC) - date < OLDEST

    def _header(self, whose: Signer, method: str, path: str, date: str) -> str:
        return f"VSHMAC {whose.public_key}:{sign_request(whose.secret, method, path, date)}"

    def _path(self) -> str:
        name = "".join(self._dice.choices(string.ascii_letters + " /é", k=6))
        return f"/api/v1/{self._dice.choice(['image', 'search'])}/{quote(name)}"

    def _stamp(self, minutes: float) -> str:
        return format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)

    def _place(self, text: str) -> int:
        return self._dice.randrange(len(text) + 1)

    def _with_signature(self, sent: Sent, change: Callable[[str], str]) -> Sent:
        front, _, signature = sent.authorization.rpartition(":")
        return sent._replace(authorization=f"{front}:{change(signature)}")

    def _either(self, sent: Sent, change: Callable[[str], str]) -> Sent:
        if self._dice.random() < 0.7:
            return sent._replace(authorization=change(sent.authorization))
        return sent._replace(date=change(sent.date))

    def _signature_bits(self, sent: Sent, _: Signer) -> Sent:
        def flipped(signature: str) -> str:
            try:
                raw = bytearray(b64decode(signature))
            except ValueError:
                return signature[::-1]
            for _ in range(self._dice.choice([1, 1, 2, 8])):
                if raw:
                    raw[self._dice.randrange(len(raw))] ^= 1 << self._dice.randrange(8)
            return b64encode(raw).decode()

        return self._with_signature(sent, flipped)

    def _signature_form(self, sent: Sent, _: Signer) -> Sent:
        """The same bytes, in base64 that decoders take for the same."""

        def other(signature: str) -> str:
            body = signature.rstrip("=")
            # 20 bytes leave two bits of the last sign unused.
            last = BASE64[BASE64.find(body[-1:]) ^ self._dice.choice([1, 2, 3])]
            return self._dice.choice(
                [
                    body,
                    signature + "=",
                    f"{body[:-1]}{last}=",
                    signature.translate(str.maketrans("+/", "-_")) + "\n",
                    f"{body[:9]}\n{body[9:]}=",
                    f"{body[:9]} {body[9:]}=",
                    f"{body[:9]}!{body[9:]}=",
                    quote(signature, safe="", errors="replace"),
                ]
            )

        return self._with_signature(sent, other)

    def _cut(self, sent: Sent, _: Signer) -> Sent:
        def cut(text: str) -> str:
            first, last = sorted([self._place(text), self._place(text)])
            return self._dice.choice([text[:first], text[last:], text[:first] + text[last:]])

        return self._either(sent, cut)

    def _odd_sign(self, sent: Sent, _: Signer) -> Sent:
        def odd(text: str) -> str:
            place = self._place(text)
            sign = self._dice.choice(ODD + chr(self._dice.randrange(0x110000)))
            return text[:place] + sign + text[place + self._dice.randrange(2) :]

        return self._either(sent, odd)

    def _other_case(self, sent: Sent, _: Signer) -> Sent:
        change = self._dice.choice([str.lower, str.upper, str.swapcase, str.title])
        return self._either(sent, change)

    def _doubled(self, sent: Sent, _: Signer) -> Sent:
        glue = self._dice.choice(["", ",", ", ", " ", ":", "\r\n", "\r\nAuthorization: "])
        return self._either(sent, lambda text: text + glue + text)

    def _white_space(self, sent: Sent, _: Signer) -> Sent:
        def spaced(text: str) -> str:
            space = self._dice.choice([" ", "  ", "\t", "\u00a0", "\u2003", "\r\n "])
            place = self._dice.choice([0, len(text), text.find(" ") + 1, text.rfind(":") + 1])
            return text[:place] + space + text[place:]

        return self._either(sent, spaced)

    def _other_encoding(self, sent: Sent, _: Signer) -> Sent:
        def other(signature: str) -> str:
            try:
                raw = b64decode(signature)
            except ValueError:
                return signature
            return self._dice.choice(
                [raw.hex(), raw.decode("latin-1"), str(raw), "", str(list(raw))]
            )

        return self._with_signature(sent, other)

    def _other_key(self, sent: Sent, whose: Signer) -> Sent:
        other = self._dice.choice([one for one in self.keys if one != whose])
        forged = self._dice.choice(
            [
                Signer(other.public_key, whose.secret),
                Signer(whose.public_key, other.secret),
                Signer(whose.public_key, ""),
                Signer(whose.public_key, whose.public_key),
                Signer("".join(self._dice.choices("0123456789abcdef", k=20)), whose.secret),
            ]
        )
        return sent._replace(authorization=self._header(forged, *sent[:2], sent.date))

    def _replayed(self, sent: Sent, _: Signer) -> Sent:
        # The query is not signed, and Django knows no method in lower case.
        return self._dice.choice(
            [
                sent._replace(method=self._dice.choice(["GET", "PUT", "POST", "DELETE", "PATCH"])),
                sent._replace(path=self._path()),
                sent._replace(path=sent.path + self._dice.choice(["/", "%20", "%00", "%3F", "a"])),
                sent._replace(path=quote(sent.path)),
                sent._replace(date=self._stamp(self._dice.uniform(-70, 10))),
            ]
        )

    def _dated_too_far(self, sent: Sent, whose: Signer) -> Sent:
        date = self._stamp(self._dice.choice(TOO_FAR) + self._dice.random())
        return sent._replace(
            date=date, authorization=self._header(whose, sent.method, sent.path, date)
        )

    def _date_written_otherwise(self, sent: Sent, whose: Signer) -> Sent:
        """Signed rightly, with a date that is none."""
        now = self._stamp(0)
        date = self._dice.choice(
            [
                "",
                "now",
                str(int(datetime.now(UTC).timestamp())),
                now.replace("GMT", "+9999"),
                now.replace("20", "99", 1),
                f"{now[:5]}{'9' * 5000}{now[7:]}",
                "Thu, 32 Foo 2015 25:61:61 GMT",
                "\0" * 30,
            ]
        )
        return sent._replace(
            date=date, authorization=self._header(whose, sent.method, sent.path, date)
        )

    def _noise(self, sent: Sent, _: Signer) -> Sent:
        alphabet = BASE64 + ODD
        text = "".join(self._dice.choices(alphabet, k=self._dice.choice([0, 1, 30, 300])))
        start = self._dice.choice(["", "VSHMAC", "VSHMAC ", "VSHMAC :", "Basic ", "vshmac a:b:"])
        return sent._replace(authorization=start + text)
