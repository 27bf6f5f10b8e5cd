"""What `deploy/` says of itself and of the project; no container is built here."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.support.locks import read_lock
from tests.support.paths import PROJECT as ROOT

DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = YAML(typ="safe").load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
HADOLINT = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{Path('/usr/bin')}")


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed")
def test_hadolint_finds_nothing():
    """Not even a hint."""
    done = subprocess.run(
        [HADOLINT, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_installs_the_lock_as_another_user():
    """With hashes, on a Python that is supported, from files that are sent to the builder."""
    pythons = re.findall(r"^FROM python:(\d\.\d+)-", DOCKERFILE, re.MULTILINE)
    copied = re.findall(r"^COPY (\S+) ", DOCKERFILE, re.MULTILINE)
    sent = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    installer = (ROOT / "locks" / "install.sh").read_text(encoding="utf-8")
    supported = re.search("^supported='(.*)'$", installer, re.MULTILINE)
    assert pythons
    assert set(pythons) <= set(supported[1].split())
    assert "--require-hashes" in DOCKERFILE
    assert copied == ["locks/run.txt", "pipeline/serving/server.py"]
    for name in copied:
        assert (ROOT / name).is_file()
        assert f"!{name}" in sent.splitlines()
    assert re.search(r"^USER [1-9]\d*$", DOCKERFILE, re.MULTILINE)


def test_one_port_of_the_model():
    """What is served, exposed, checked and published."""
    assert set(re.findall(r"\b50\d\d\b", DOCKERFILE)) == {"5001"}
    assert SERVICES["model"]["ports"] == ["127.0.0.1:5001:5001"]


def test_mlflow_is_the_locks_version():
    """Server and clients, which write to one database, are one version."""
    pins = {pin.name: pin.version for pin in read_lock("run")}
    assert SERVICES["mlflow"]["image"].endswith(f":v{pins['mlflow']}-full")


def test_clients_are_not_sent_to_a_storage_that_they_cannot_reach():
    """MLflow otherwise answers a download with an address of the storage, where there is an S3."""
    direct = "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD"
    assert "ports" not in SERVICES["storage"]
    assert SERVICES["model"]["environment"][direct] == "false"
    for path in (DEPLOY / "compose.yaml", ROOT / "docs" / "serving.md"):
        assert f"{direct}=false" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service(name):
    """A fixed version or a Dockerfile of ours; ports for this machine alone; known neighbors."""
    service = SERVICES[name]
    if "build" in service:
        context = DEPLOY / service["build"]["context"]
        assert context.resolve() == ROOT
        assert (context / service["build"]["dockerfile"]).is_file()
    else:
        tag = service["image"].rpartition(":")[2]
        assert re.match(r"v?\d+\.\d+", tag), service["image"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    for other, condition in service.get("depends_on", {}).items():
        assert other in SERVICES
        if condition["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
    volumes = {volume.partition(":")[0] for volume in service.get("volumes", ())}
    assert volumes <= set(COMPOSE["volumes"])


def test_passwords_are_asked_for_and_none_is_here():
    """Compose refuses to start without them; the example names each, and holds no value."""
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    required = set(re.findall(r"\$\{(\w+):\?", text))
    example = (DEPLOY / ".env.example").read_text(encoding="utf-8")
    values = dict(line.split("=") for line in example.splitlines() if not line.startswith("#"))
    assert values == dict.fromkeys(required, "")
    assert set(re.findall(r"\$\{(\w+)", text)) == required | {"MODEL"}
    for line in text.splitlines():
        if re.search("^[^#]*(PASSWORD|SECRET|KEY_ID)", line.partition(":")[0]):
            assert "${" in line
    assert "/deploy/.env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
