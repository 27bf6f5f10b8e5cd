"""The services of deploy/compose.yaml, run here: PostgreSQL, an S3 server, and MLflow's own."""

import contextlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import boto3
import psutil
import pytest
from moto.server import ThreadedMotoServer
from ruamel.yaml import YAML

from tests.support.paths import PROJECT
from tests.support.processes import free_port
from tests.support.project import users_environment

COMPOSE = YAML(typ="safe").load((PROJECT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
KEYS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
}
SECRETS = {
    "POSTGRES_PASSWORD": "of-the-database",
    "STORAGE_KEY": KEYS["AWS_ACCESS_KEY_ID"],
    "STORAGE_SECRET": KEYS["AWS_SECRET_ACCESS_KEY"],
    "MLFLOW_PASSWORD": "of-the-first-user",
    "MLFLOW_SECRET": "of-the-forms",
}
KNOWN = {
    "MLFLOW_TRACKING_USERNAME": "admin",
    "MLFLOW_TRACKING_PASSWORD": SECRETS["MLFLOW_PASSWORD"],
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "120",  # a busy machine takes long
}
PATIENCE = 600  # seconds for a service to answer: a busy machine takes long


@contextlib.contextmanager
def bucket(name):
    """The address of an S3 server with an empty bucket, and its client; the keys are KEYS."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        client = boto3.client(
            "s3",
            endpoint_url=address,
            region_name=KEYS["AWS_DEFAULT_REGION"],
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )
        client.create_bucket(Bucket=name)
        try:
            yield address, client
        finally:  # the servers of one process share what they hold
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
                for entry in page.get("Contents", []):
                    client.delete_object(Bucket=name, Key=entry["Key"])
            client.delete_bucket(Bucket=name)
    finally:
        server.stop()


def find_postgres():
    """The folder of PostgreSQL's programs; Debian and Ubuntu leave them off PATH. None without."""
    folders = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    found = shutil.which("initdb", path=os.pathsep.join([os.environ["PATH"], *folders]))
    return found and Path(found).resolve().parent


MISSING = [name for name in ("psycopg2", "flask_wtf") if importlib.util.find_spec(name) is None]
NEEDED = [
    pytest.mark.services,
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; `make setup`"),
    pytest.mark.skipif(find_postgres() is None, reason="no PostgreSQL; `apt install postgresql`"),
]


@contextlib.contextmanager
def postgres(password):
    """An empty PostgreSQL of the user `mlflow`; yields its port.

    It refuses to run as root, so then it runs as `nobody`, in a folder of its own.
    """
    programs, port = find_postgres(), free_port()
    user = {"user": "nobody", "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as root:
        folder, secret = Path(root), Path(root) / "password"
        secret.write_text(password)
        if user:
            for path in (folder, secret):
                shutil.chown(path, user["user"])
        data = folder / "data"
        options = ["--username=mlflow", "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync"]
        run = {"cwd": folder, **user}
        subprocess.run(
            [programs / "initdb", *options, data], check=True, capture_output=True, **run
        )
        settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
        command = [programs / "postgres", "-D", data, "-p", str(port)]
        command += [word for setting in settings for word in ("-c", setting)]
        with running(command, folder / "log.txt", stop=signal.SIGINT, **run) as process:
            uri = f"postgresql://mlflow:{password}@127.0.0.1:{port}/postgres"
            wait(lambda: create_database(uri, "mlflow"), process, folder / "log.txt")
            yield port


def create_database(uri, name):
    """Once the server answers."""
    import psycopg2

    try:
        connection = psycopg2.connect(uri)
    except psycopg2.OperationalError as error:
        raise ConnectionError(error) from None
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    connection.close()


@contextlib.contextmanager
def tracking_server(folder, secrets, *, database, storage):
    """MLflow's server as the compose file starts it, but for hosts and ports; yields its address.

    Args:
        folder: for its files.
        secrets: what deploy/.env would hold.
        database: PostgreSQL's port.
        storage: the address of the S3 server.
    """
    port, log, users = free_port(), folder / "mlflow.log", folder / "auth.ini"
    service = COMPOSE["services"]["mlflow"]
    (mounted,) = service["configs"]
    here = {
        "@database/": f"@127.0.0.1:{database}/",
        "http://storage:9000": storage,
        "5000": str(port),
        "0.0.0.0": "127.0.0.1",
        mounted["target"]: str(users),
    }

    def native(text):
        text = re.sub(r"\$\{(\w+)[^}]*\}", lambda found: secrets[found[1]], text)
        for there, name in here.items():
            text = text.replace(there, name)
        return text

    users.write_text(native(COMPOSE["configs"][mounted["source"]]["content"]))
    environment = {name: native(value) for name, value in service["environment"].items()}
    command = [sys.executable, "-m", *map(native, service["command"]), "--workers", "1"]
    with running(command, log, cwd=folder, env={**os.environ, **environment}) as process:
        address = f"http://127.0.0.1:{port}"
        wait(lambda: urllib.request.urlopen(f"{address}/health").close(), process, log)
        yield address


@contextlib.contextmanager
def shared_services(folder):
    """The address of MLflow, the port of its database, and a client of its storage."""
    with (
        bucket("mlflow") as (storage, client),
        postgres(SECRETS["POSTGRES_PASSWORD"]) as database,
        tracking_server(folder, SECRETS, database=database, storage=storage) as address,
    ):
        yield address, database, client


@contextlib.contextmanager
def served_model(folder, environment):
    """The image's entry point, for its own MODEL; yields its port."""
    dockerfile = (PROJECT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    port, log = free_port(), folder / "model.log"
    entry = re.search("^ENTRYPOINT (.*)$", dockerfile, re.MULTILINE)[1]
    for source, target in re.findall(r"^COPY (\S+) (\S+)$", dockerfile, re.MULTILINE):
        entry = entry.replace(target, str(PROJECT / source))
    command = json.loads(entry.replace("5001", str(port)).replace("0.0.0.0", "127.0.0.1"))
    own = {
        "MODEL": re.search(r"\bMODEL=(\S+)", dockerfile)[1],
        "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT": str(PATIENCE),
    }
    with running(command, log, cwd=folder, env={**environment, **own}) as process:
        wait(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/ping").close(), process, log)
        yield port


@contextlib.contextmanager
def ray_node(folder, *options, **environment):
    """A node of a Ray cluster with one core; yields its process."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1"]
    command += ["--object-store-memory=100000000", "--disable-usage-stats", *options]
    log = folder / "ray.log"
    with running(command, log, cwd=folder, env={**users_environment(), **environment}) as process:
        wait(lambda: _started(log), process, log)
        yield process


def _started(log):
    if "Ray runtime started" not in log.read_text():
        raise ConnectionError(log)


def family(process):
    """All processes that a process has started, and theirs, the process itself last."""
    parent = psutil.Process(process.pid)
    return [*parent.children(recursive=True), parent]


@contextlib.contextmanager
def running(command, log, *, stop=signal.SIGTERM, **options):
    """A service and all that it starts, which write to a log, until the block ends."""
    with (
        log.open("w") as file,
        subprocess.Popen(
            command, stdout=file, stderr=file, start_new_session=True, **options
        ) as process,
    ):
        try:
            yield process
        finally:
            os.killpg(process.pid, stop)


def wait(ask, process, log):
    """Ask a service until it answers; it may refuse a connection until then."""
    end = time.monotonic() + PATIENCE
    while True:
        assert process.poll() is None, log.read_text()
        try:
            return ask()
        except OSError:  # urllib's and the system's own
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)
