"""tester-worker as its users meet it: a worker process, a broker, a client that signs, publishes and verifies."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.request
import uuid

import jwt
import pika

import usage
from programs import FILES, check

TOKEN = "measure-" + "x" * 32
PORT = 18421


# As the worker's image sets them.
ALLOCATOR = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "131072"}


def surroundings(amqp_url):
    return {**os.environ, **ALLOCATOR, "WORKER_AUTH_TOKEN": TOKEN, "TESTER_WORKER__BROKER__URLS": json.dumps([amqp_url])}


def bench(binary, amqp_url, folder, program, clients, jobs):
    """Jobs a second by the command that comes with the worker."""
    command = [binary, "bench", "--program", program, "--clients", str(clients), "--jobs", str(jobs), "--json"]
    done = subprocess.run(command, env=surroundings(amqp_url), cwd=folder, capture_output=True, check=True)
    return json.loads(done.stdout)["rows"][0]["jobs_per_second"]


class Worker:
    """One worker with a configuration of its own."""

    def __init__(self, binary, amqp_url, folder, configuration):
        self.log = pathlib.Path(folder) / f"worker-{uuid.uuid4().hex[:6]}.log"
        config = self.log.with_suffix(".toml")
        config.write_text(configuration + f'\n[sidecar]\nlisten = "127.0.0.1:{PORT}"\n')
        environment = surroundings(amqp_url)
        self.name = f"measured-{uuid.uuid4().hex[:6]}"
        environment["TESTER_WORKER__WORKER__ID"] = self.name
        with self.log.open("w") as log:
            self.process = subprocess.Popen([binary, "serve", "--config", config], env=environment, stdout=log, stderr=log)

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=5) as answer:
            return answer.read().decode()

    def until(self, true, what, limit=120):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                if true():
                    return
            except OSError:
                pass
            time.sleep(0.01)
        raise RuntimeError(f"the worker is not {what}: {self.log.read_text()[-2000:]}")

    def ready(self):
        self.until(lambda: "ok" in self.get("/readyz"), "ready")

    def warm(self, profile, count):
        """Until so many sandboxes are ready, so that nothing is made while somebody else is measured."""
        self.until(lambda: self.pool(profile, "warm") >= count and self.pool(profile, "starting") == 0, f"warm ({profile})")

    def pool(self, profile, state):
        name = f'tester_worker_pool{{profile="{profile}",state="{state}"}} '
        return next(int(line[len(name):]) for line in self.get("/metrics").splitlines() if line.startswith(name))

    def memory_mib(self):
        return usage.memory_mib(self.process.pid)

    def cpu_seconds(self):
        return usage.cpu_seconds(self.process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_raised):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        if status != 0:
            raise RuntimeError(f"the worker ended with {status}: {self.log.read_text()[-2000:]}")


class Client:
    """A sender in one thread."""

    def __init__(self, amqp_url):
        self.channel = pika.BlockingConnection(pika.URLParameters(amqp_url)).channel()
        # As `submit` has it: gone with its client, which would not look for a result later.
        self.queue = f"results.measured.{uuid.uuid4().hex[:8]}"
        self.channel.queue_declare(self.queue, exclusive=True, auto_delete=True)
        self.channel.basic_consume(self.queue, self.take, auto_ack=True)
        self.answer = None

    def take(self, _channel, _method, _properties, body):
        self.answer = body

    def run(self, name, profile, cases=0):
        """Publishes one job and waits for its verified result. Returns the result."""
        path, text, expected = FILES[name]
        now, jti = int(time.time()), str(uuid.uuid4())
        claims = {"v": 1, "iss": "submit", "aud": "tester", "jti": jti, "iat": now, "exp": now + 600,
                  "reply_to": self.queue, "profile": profile, "files": [{"path": path, "content": {"text": text}}]}
        if cases:
            expect = {"stdout": {"text": expected}, "checker": "exact"}
            claims["cases"] = [{"name": str(number), "expect": expect} for number in range(cases)]
        body = jwt.encode(claims, TOKEN, "HS256", headers={"kid": "default", "typ": "job+jwt"}).encode()
        self.answer = None
        properties = pika.BasicProperties("application/jwt", delivery_mode=2, message_id=jti, reply_to=self.queue)
        self.channel.basic_publish("tester.jobs", "default", body, properties)
        while self.answer is None:
            self.channel.connection.process_data_events(time_limit=60)
        result = jwt.decode(self.answer, TOKEN, ["HS256"], audience="submit", leeway=5)
        if (result["jti"], result["job_sha256"]) != (jti, hashlib.sha256(body).hexdigest()) or result["status"] != "ok":
            raise RuntimeError(f"{name} came to {result['status']}: {result['message']}")
        check(name, (result["cases"][0] if cases else result)["stdout"]["text"])
        return result

    def close(self):
        self.channel.connection.close()


def throughput(amqp_url, clients, seconds, job):
    """Jobs a second of so many clients that each send the next job when they have the last result."""

    def lane():
        client = Client(amqp_url)
        return lambda: job(client), client.close

    return usage.rate(clients, seconds, lane)


def overhead_ms(result):
    """The whole road by the result's own account, less the program's run."""
    timings = result["timings"]
    return 1000 * (timings["total_seconds"] - timings["run_seconds"])

