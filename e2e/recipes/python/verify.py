"""The check that a backend in Python makes before it serves a request. Copy it. It needs Python 3.11 and joserfc 1.8.

tokens are the values of all header fields Txn-Token, and body is the exact bytes that came, before any parser. To call
the next server, send the same token as it is, until the call's expiry.
"""
import base64
import hashlib
import json
import ssl
import time
import urllib.request
from dataclasses import dataclass

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet


class Refused(Exception):
    """The request was not countersigned for this backend."""


@dataclass(frozen=True)
class Backend:
    self: str  # SPIFFE ID
    server: str  # name in Countersign's configuration
    audience: str  # trust domain
    issuer: str  # iss of Countersign
    keys: object  # RemoteKeys, or a function from a kid to a KeySet


# Whatever else there is may be a restriction.
NAMES = set("iss aud iat exp jti txn sub sub_profile req_wl act scope authorization_details tctx rctx par_hash "
            "del_depth del_max_depth del_root".split())
KINDS = {"GET": "stream", "DELETE": "end", "OPTIONS": "preflight"}


def demand(ok, why):
    if not ok:
        raise Refused(why)


def verify(backend, method, tokens, body, now=None):
    now = time.time() if now is None else now
    demand(len(tokens) == 1, "not exactly one Txn-Token")
    token = tokens[0]
    parts = token.split(".")
    demand(len(token) <= 8192 and len(parts) == 3 and all(map(canonical, parts)), "not a canonical compact token")
    head = parse(decode(parts[0]))
    demand(head.keys() == {"alg", "kid", "typ"} and head["typ"] == "txntoken+jwt", "not the header of a Txn-Token")
    demand(isinstance(head["kid"], str) and isinstance(head["alg"], str), "not the header of a Txn-Token")
    try:
        c = parse(jws.deserialize_compact(token, backend.keys(head["kid"]), algorithms=["ES256", "EdDSA"]).payload)
    except (JoseError, ValueError) as e:
        raise Refused(str(e)) from e

    demand(c.keys() <= NAMES, "an unknown claim")
    demand(all(isinstance(c.get(n), str) and c[n] for n in ("jti", "txn", "sub", "req_wl")), "a claim is missing")
    demand(isinstance(c.get("scope"), str) and isinstance(c.get("tctx"), dict), "a claim is missing")
    numbers = [c.get("iat"), c.get("exp"), c["tctx"].get("task_exp"), c.get("del_depth"), c.get("del_max_depth")]
    demand(all(type(n) is int for n in numbers), "not a whole number")
    iat, exp, task_exp, depth, max_depth = numbers
    demand((c.get("iss"), c.get("aud")) == (backend.issuer, backend.audience), "of another issuer, or for another trust domain")
    demand(iat <= now + 30 and now < exp and iat < exp <= iat + 300 and now < task_exp, "not in force")
    actors, act = [], c.get("act")
    while isinstance(act, dict):
        actors.append(act.get("sub"))
        act = act.get("act")
    demand(len(set(actors)) == len(actors) == depth + 1 and actors[0] == backend.self, "made for another workload")
    demand(0 <= depth <= max_depth <= 4, "too deep")
    demand(depth > 0 or not (c["scope"] or c["tctx"].get("task") or "authorization_details" in c), "a delegation out of nowhere")

    rctx = c.get("rctx")
    mcp = rctx.get("mcp") if isinstance(rctx, dict) else None
    demand(isinstance(mcp, dict) and mcp.get("srv") == backend.server, "for another server")
    demand(mcp.get("req_s256") == encode(hashlib.sha256(body).digest()), "for another body")
    tool = None
    if method != "POST":
        name = KINDS.get(method)
    elif isinstance(message := parse(body, (dict, list)), list):
        name = "batch"
    else:
        name = message.get("method", "response")
        if name == "tools/call" and isinstance(message.get("params"), dict):
            tool = message["params"].get("name")
    demand(name is not None and (mcp.get("mth"), mcp.get("tool")) == (name, tool), "for another call")
    return {
        "hasDelegation": depth > 0,  # otherwise the calling workload acts for itself
        "subject": c["sub"] if depth else "", "peer": actors[1] if depth else c["sub"], "actors": actors,
        "task": c["tctx"].get("task"), "purpose": c["tctx"].get("purpose"), "expiry": exp, "scope": c["scope"].split(),
        "constraints": c.get("authorization_details", []), "txn": c["txn"], "method": mcp["mth"], "tool": tool or "",
        "token": token,
    }


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def canonical(text):
    try:
        return text != "" and encode(decode(text)) == text
    except ValueError:
        return False


def parse(text, kinds=dict):
    """Reads JSON strictly: a name that comes twice in one object is refused, and so are NaN and Infinity."""
    def once(pairs):
        demand(len({name for name, _ in pairs}) == len(pairs), "a name comes twice")
        return dict(pairs)

    def never(name):
        raise Refused(name)
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=once, parse_constant=never)
    except (ValueError, RecursionError) as e:
        raise Refused(str(e)) from e
    demand(isinstance(value, kinds), "not an object")
    return value


class RemoteKeys:
    """Keys from an https URL: fetched every five minutes, and once in ten seconds for a kid that is not known. When the
    URL does not answer the last good keys do for an hour."""

    def __init__(self, url, context=None, every=300, gap=10, stale=3600):
        self.url, self.context = url, context or ssl.create_default_context()
        self.every, self.gap, self.stale = every, gap, stale
        self.keys, self.fetched, self.tried = None, 0.0, float("-inf")

    def __call__(self, kid):
        known = self.keys and any(key.kid == kid for key in self.keys.keys)
        if time.monotonic() - self.tried > (self.every if known else self.gap):
            self.tried = time.monotonic()
            try:
                with urllib.request.urlopen(self.url, timeout=5, context=self.context) as answer:
                    self.keys, self.fetched = KeySet.import_key_set(json.loads(answer.read(1 << 18))), time.monotonic()
            except (OSError, ValueError, JoseError):
                pass  # the last good keys stay
        demand(self.keys and time.monotonic() - self.fetched < self.stale, "no keys")
        return self.keys
