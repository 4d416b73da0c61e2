"""Has verify.py judge requests. On standard input is one JSON value per line: first the backend, then the requests. On
standard output is one line for each request."""
import base64
import json
import sys

from joserfc.jwk import KeySet

from verify import Backend, Refused, RemoteKeys, verify


def main():
    b = json.loads(sys.stdin.readline())
    if "keys_url" in b:
        keys = RemoteKeys(b["keys_url"])
    else:
        given = KeySet.import_key_set(b["jwks"])
        keys = lambda _: given  # noqa: E731
    backend = Backend(b["self"], b["server"], b["audience"], b["issuer"], keys)
    for line in sys.stdin:
        r = json.loads(line)
        try:
            call = verify(backend, r["method"], r["tokens"], base64.b64decode(r["body"]), r.get("now"))
            print(json.dumps({"call": call}))
        except Refused as e:
            print(json.dumps({"refused": str(e)}))


main()
