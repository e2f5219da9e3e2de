#!/usr/bin/env python3
"""A whole backend: signs a job, publishes it, waits for its result, verifies it, prints it. See README.md."""
import base64, hashlib, json, os, pathlib, sys, time, uuid
import jwt, pika

ISS = os.environ.get("BACKEND_ID", "backend-1")
REPLY_TO = f"results.{ISS}"

def content(data):
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}

def job(files, **claims):
    now, files = int(time.time()), [{"path": path, "content": content(data)} for path, data in files]
    return {"v": 1, "iss": ISS, "aud": "tester", "jti": str(uuid.uuid4()), "iat": now, "exp": now + 600,
            "reply_to": REPLY_TO, "profile": "python", "files": files, **claims}

def sign(claims):
    key, algorithm, kid = os.environ.get("WORKER_AUTH_TOKEN"), "HS256", "default"
    if path := os.environ.get("JOB_KEY_FILE"):
        key, algorithm, kid = pathlib.Path(path).read_bytes(), "EdDSA", os.environ["JOB_KID"]
    return jwt.encode(claims, key, algorithm, headers={"kid": kid, "typ": "job+jwt"}).encode()

def verify(answer, jti, body):
    """The claims of a result that a worker signed, for us, about this very job; anything else raises."""
    header, key, algorithm = jwt.get_unverified_header(answer), os.environ.get("WORKER_AUTH_TOKEN"), "HS256"
    if path := os.environ.get("WORKER_JWKS_FILE"):
        key, algorithm = jwt.PyJWKSet.from_json(pathlib.Path(path).read_text())[header["kid"]].key, "EdDSA"
    result = jwt.decode(answer, key, [algorithm], {"require": ["iss", "aud", "iat", "jti"]}, audience=ISS, leeway=5)
    if (header["typ"], result["jti"], result["job_sha256"]) != ("result+jwt", jti, hashlib.sha256(body).hexdigest()):
        raise jwt.InvalidTokenError("signed, but not the result of this job")
    return result

def connect():
    channel = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])).channel()
    channel.confirm_delivery()
    channel.queue_declare(REPLY_TO, durable=True, arguments={"x-queue-type": "quorum"})
    return channel

def publish(channel, body, jti):
    properties = pika.BasicProperties("application/jwt", delivery_mode=2, message_id=jti, reply_to=REPLY_TO)
    channel.basic_publish("tester.jobs", "default", body, properties, mandatory=True)

if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: backend.py FILE...   (the first file is the program)")
    files = [(path.name, path.read_bytes()) for path in map(pathlib.Path, sys.argv[1:])]
    claims = job(files, entry=files[0][0])
    body, channel = sign(claims), connect()
    publish(channel, body, claims["jti"])
    for method, properties, answer in channel.consume(REPLY_TO, inactivity_timeout=120):
        if method is None:
            sys.exit(f"no result for job {claims['jti']} within 120 s: is a worker running, with our key?")
        channel.basic_ack(method.delivery_tag)  # a real backend stores the result before this, and keeps a job's first
        if properties.message_id == claims["jti"]:
            print(json.dumps(verify(answer, claims["jti"], body), indent=2))
            break
