"""Pairing a phone: the QR code and digits that an owner shows, and what phones install to trust us."""

from __future__ import annotations

import io
from typing import Annotated

import msgspec
import segno
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from edge_assistant.errors import EdgeError
from edge_assistant.frontends.web.access import allow, public
from edge_assistant.frontends.web.auth import SIGNED_IN
from edge_assistant.frontends.web.certificates import Certificates
from edge_assistant.frontends.web.lan import Lan
from edge_assistant.frontends.web.responses import json_response, read_json
from edge_assistant.people.pairings import Pairing, Pairings


class NewPairing(msgspec.Struct, frozen=True):
    """The body of `POST /api/pairings`; without `user` the device becomes one of whoever asks."""

    user: Annotated[str, msgspec.Meta(max_length=64)] = ""


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown so that a device gets in. `url`, `qr_svg` and `code` are secrets until used."""

    id: str
    user: str
    url: str
    """The address for a phone; the token and `ca` stand in the fragment, which is never sent."""
    local_url: str
    """The same for a browser on this machine."""
    address: str
    """Where the code can be typed."""
    code: str
    expires_at: float
    fingerprint: str = ""
    """SHA-256 of the authority's certificate, to be compared on the phone; empty without https."""
    qr_svg: str = ""
    problem: str = ""
    """Why a phone can't reach `url`; empty when it can."""


class Inviter:
    """Makes invitations for the control socket and the page."""

    def __init__(self, pairings: Pairings, lan: Lan | None) -> None:
        self._pairings = pairings
        self._lan = lan
        self.local_url = ""
        """Where a browser on this machine reaches the page; set when it listens."""

    async def invite(self, user_id: str) -> Invitation:
        """Return a way in for a device of `user_id`; raises USER_NOT_FOUND."""
        pairing = await self._pairings.begin(user_id)
        lan = self._lan
        if lan is None or not lan.url:
            problem = lan.problem if lan else "web.lan is off: only this machine reaches the page"
            return self._invitation(pairing, self.local_url, problem=problem)
        return self._invitation(pairing, lan.url, fingerprint=lan.certificates.fingerprint)

    def _invitation(
        self, pairing: Pairing, address: str, *, fingerprint: str = "", problem: str = ""
    ) -> Invitation:
        trust = f"&ca={fingerprint.replace(':', '')}" if fingerprint else ""
        url = f"{address}/#signin={pairing.token}{trust}"
        return Invitation(
            id=pairing.id,
            user=pairing.user,
            url=url,
            local_url=f"{self.local_url}/#signin={pairing.token}",
            address=address,
            code=pairing.code,
            expires_at=pairing.expires_at,
            fingerprint=fingerprint,
            qr_svg=qr_svg(url),
            problem=problem,
        )


def qr_svg(text: str) -> str:
    """Return a QR code as an SVG image, black on white whatever the page's colours: cameras want that."""
    image = io.BytesIO()
    code = segno.make(text, error="m", micro=False)
    code.save(image, kind="svg", border=4, light="#fff", xmldecl=False, nl=False, omitsize=True)
    return image.getvalue().decode()


class PairingPages:
    """Serves pairings, and the certificate that phones install."""

    def __init__(self, inviter: Inviter, pairings: Pairings, lan: Lan | None) -> None:
        self._inviter = inviter
        self._pairings = pairings
        self._lan = lan

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of pairing and trust."""
        return [
            web.post("/api/pairings", self.begin),
            web.get("/api/pairings/{id}", self.state),
            web.delete("/api/pairings/{id}", self.end),
            web.get("/api/trust", self.trust),
            web.get("/ca.crt", self.authority),
        ]

    @allow("owner", "manage")
    async def begin(self, request: web.Request) -> web.Response:
        """Return a new invitation."""
        body = await read_json(request, NewPairing)
        return json_response(await self._inviter.invite(body.user or request[SIGNED_IN].user), status=201)

    @allow("owner", "manage")
    async def state(self, request: web.Request) -> web.Response:
        """Return whether a pairing waits or was used, and how many guesses its code still takes."""
        return json_response(await self._pairings.state(request.match_info["id"]))

    @allow("owner", "manage")
    async def end(self, request: web.Request) -> web.Response:
        """End a pairing that is no longer shown."""
        await self._pairings.end(request.match_info["id"])
        return web.Response(status=204)

    @public
    async def trust(self, request: web.Request) -> web.Response:
        """Say what the certificate that phones install is called and how it is recognised."""
        del request
        certificates = self._certificates()
        names = self._lan.names if self._lan else None
        return json_response(
            {
                "name": certificates.authority.subject.rfc4514_string().removeprefix("CN="),
                "fingerprint": certificates.fingerprint,
                "hosts": names.hosts if names else (),
            }
        )

    @public
    async def authority(self, request: web.Request) -> web.Response:
        """Serve the certificate that phones install, as the file type that makes them offer to do so."""
        del request
        return web.Response(
            body=self._certificates().authority.public_bytes(Encoding.DER),
            content_type="application/x-x509-ca-cert",
            headers={"Content-Disposition": 'attachment; filename="edge-assistant.crt"'},
        )

    def _certificates(self) -> Certificates:
        if self._lan is None or not self._lan.url:
            raise EdgeError("CERTIFICATE_NOT_FOUND", "this device serves no https: see web.lan")
        return self._lan.certificates
