"""The others, each as its documentation says it is used, with the limits that it has."""

import io
import os
import pathlib
import subprocess
import tarfile

import docker
import epicbox
import llm_sandbox

import usage
from programs import COMMANDS, FILES, check

IMAGE = "tester-sandbox"
MEMORY_BYTES = 256 << 20


class OldDesign:
    """What tester-worker replaces: docker-py, a container for each call."""

    name = "old design (docker-py)"

    def __init__(self, cpus):
        self.docker = docker.from_env()
        self.cpus = cpus

    def run(self, name):
        path, text, _expected = FILES[name]
        container = self.docker.containers.create(
            IMAGE, COMMANDS[name], working_dir="/home", network_disabled=True, mem_limit=MEMORY_BYTES, pids_limit=50,
            nano_cpus=int(self.cpus * 1e9), security_opt=["no-new-privileges"])
        try:
            archive = io.BytesIO()
            with tarfile.open(fileobj=archive, mode="w") as tar:
                entry = tarfile.TarInfo(path)
                entry.size = len(text)
                tar.addfile(entry, io.BytesIO(text.encode()))
            container.put_archive("/home", archive.getvalue())
            container.start()
            container.wait()
            check(name, container.logs())
        finally:
            container.remove(force=True)


class DockerRun:
    """The command line: `docker run --rm` with the same limits and the file on stdin's side of a mount-free container."""

    name = "docker run"

    def __init__(self, cpus):
        self.cpus = cpus

    def run(self, name):
        path, text, _expected = FILES[name]
        script = f"cd /tmp && cat > {path} && exec {' '.join(COMMANDS[name])}"
        command = ["docker", "run", "--rm", "-i", "--network", "none", "--memory", "256m", "--pids-limit", "50",
                   "--cpus", str(self.cpus), "--security-opt", "no-new-privileges", IMAGE, "sh", "-c", script]
        check(name, subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout)


class Epicbox:
    """epicbox: a container and a volume for each call."""

    name = "epicbox"

    def __init__(self, cpus):
        epicbox.configure([epicbox.Profile("python", IMAGE)])
        self.limits = {"cputime": 10, "realtime": 10, "memory": 256, "processes": 50}

    def run(self, name):
        path, text, _expected = FILES[name]
        result = epicbox.run("python", " ".join(COMMANDS[name]), [{"name": path, "content": text.encode()}], limits=self.limits, stdin=b"")
        check(name, result["stdout"])


class LlmSandbox:
    """llm-sandbox: a session for each call, without installing anything."""

    name = "llm-sandbox"

    def __init__(self, cpus):
        self.runtime = {"network_mode": "none", "mem_limit": "256m", "pids_limit": 50, "nano_cpus": int(cpus * 1e9)}

    def run(self, name):
        _path, text, _expected = FILES[name]
        if name == "pytest":
            text += "\nimport sys, pytest\nsys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', __file__]))\n"
        with llm_sandbox.SandboxSession(
            image=IMAGE, lang="python", skip_environment_setup=True, runtime_configs=self.runtime, keep_template=True,
            verbose=False,
        ) as session:
            check(name, session.run(text).stdout)


class Bubblewrap:
    """bubblewrap over the image's files: the floor without a daemon. No limit of memory, CPU, processes or output."""

    name = "bubblewrap (no limits)"

    def __init__(self, _cpus, folder):
        self.root = pathlib.Path(folder) / "rootfs"
        if not self.root.exists():
            self.root.mkdir()
            container = subprocess.run(["docker", "create", IMAGE], capture_output=True, check=True, text=True).stdout.strip()
            export = subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE)
            subprocess.run(["tar", "-C", self.root, "-x", "--exclude=dev/*"], stdin=export.stdout, check=True)
            export.wait()
            subprocess.run(["docker", "rm", container], stdout=subprocess.DEVNULL, check=True)

    def run(self, name):
        path, text, _expected = FILES[name]
        script = f"cd /tmp && cat > {path} && exec {' '.join(COMMANDS[name])}"
        command = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", self.root, "/", "--tmpfs", "/tmp",
                   "--proc", "/proc", "--dev", "/dev", "--clearenv", "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin",
                   "sh", "-c", script]
        check(name, subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout)


def engine_rate(parallel, seconds):
    """Containers a second that the Engine creates, starts and removes, with nothing else to do."""

    def lane():
        client = docker.APIClient()
        settings = client.create_host_config(network_mode="none")

        def life():
            container = client.create_container(IMAGE, ["sleep", "60"], host_config=settings)["Id"]
            client.start(container)
            client.remove_container(container, force=True, v=True)

        return life, client.close

    return usage.rate(parallel, seconds, lane)


def versions():
    info, host = docker.from_env().version(), docker.from_env().info()
    components = {part["Name"]: part["Version"] for part in info["Components"]}
    return {"docker": info["Version"], "runc": components.get("runc"), "kernel": info["KernelVersion"],
            "cpus": os.cpu_count(), "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "cgroup": host.get("CgroupVersion"), "storage": host.get("Driver")}
