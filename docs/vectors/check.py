"""Checks the vectors with PyJWT alone; `check.py sign` prints foreign.json, tokens that PyJWT made.

Needs: pip install pyjwt cryptography
"""
import hashlib, json, pathlib, sys
import jwt

here = pathlib.Path(__file__).parent
keys = json.loads((here / "keys.json").read_text())
jobs = json.loads((here / "jobs.json").read_text())["vectors"]
results = json.loads((here / "results.json").read_text())["vectors"]
events = json.loads((here / "events.json").read_text())["vectors"]
control = json.loads((here / "control.json").read_text())["vectors"]


def claims(token, jwks):
    """The claims, if the signature is that of the key that `kid` names, by the key's own algorithm."""
    header = jwt.get_unverified_header(token)
    key = {jwk["kid"]: jwk for jwk in jwks["keys"]}[header["kid"]]
    # Signature only: the vectors have a fixed clock of their own.
    off = {name: False for name in ("verify_exp", "verify_nbf", "verify_iat", "verify_aud")}
    off["verify_jti"] = off["verify_iss"] = off["verify_sub"] = False
    return jwt.decode(token, jwt.PyJWK(key).key, algorithms=[key["alg"]], options=off)


def verdict(token, jwks):
    try:
        claims(token, jwks)
        return "accepts"
    except (jwt.PyJWTError, KeyError):
        return "refuses"


def sign():
    job = claims(jobs[0]["token"], keys["senders"])
    result = claims(results[0]["token"], keys["workers"])
    assert result["job_sha256"] == hashlib.sha256(jobs[0]["token"].encode()).hexdigest()
    return {
        "jobs": [
            jwt.encode(job, keys["token"], algorithm="HS256", headers={"kid": "default", "typ": "job+jwt"}),
            jwt.encode(job, keys["sender_private_pem"], algorithm="EdDSA",
                       headers={"kid": "backend-1", "typ": "job+jwt"}),
        ],
        "result": jwt.encode(result, keys["worker_private_pem"], algorithm="EdDSA",
                             headers={"kid": "worker-1", "typ": "result+jwt"}),
    }


if sys.argv[1:] == ["sign"]:
    print(json.dumps(sign(), indent=2))
else:
    rows = [(row, keys["senders"]) for row in jobs + control] + [(row, keys["workers"]) for row in results + events]
    wrong = [row["name"] for row, jwks in rows if verdict(row["token"], jwks) != row["stock_library"]]
    foreign = json.loads((here / "foreign.json").read_text())
    assert foreign == sign(), "foreign.json is not what PyJWT signs"
    print(f"{len(rows) - len(wrong)} of {len(rows)} vectors agree", *wrong, sep="\n  ")
    sys.exit(1 if wrong else 0)
