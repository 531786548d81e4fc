"""The files under deploy/ are what the tools that read them accept, and name only what gounicorn has."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = "1.33"


def run(*command: object) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def flags() -> set[str]:
    """Return the flags that this gounicorn has."""
    return set(re.findall(r"--[a-z][a-z-]+", run(ROOT / "bin" / "gounicorn", "--help").stdout))


@pytest.fixture(scope="module")
def metrics() -> set[str]:
    """Return the names of gounicorn's metrics, with those that belong to a histogram."""
    text = (ROOT / "server" / "metrics" / "METRICS.md").read_text()
    names = set(re.findall(r"^## `(\w+)`", text, re.M))
    return names | {f"{name}_{part}" for name in names for part in ("bucket", "sum", "count")}


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every Kubernetes object with the name of its file."""
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            yield path.name, document


def expressions() -> Iterator[tuple[str, str]]:
    """Give every PromQL expression of the alerts and of the dashboard, with a name."""
    for group in yaml.safe_load((DEPLOY / "monitoring" / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    scaled = yaml.safe_load((DEPLOY / "kubernetes-keda" / "scaledobject.yaml").read_text())
    for trigger in scaled["spec"]["triggers"]:
        yield scaled["kind"], trigger["metadata"]["query"]
    for panel in json.loads((DEPLOY / "monitoring" / "dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
            yield f"{panel['title']} {target['refId']}", expression


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """Both units verify, with a program that exists, and the service is well confined."""
    for name in ("gounicorn.service", "gounicorn.socket"):
        text = (DEPLOY / "systemd" / name).read_text()
        (tmp_path / name).write_text(text.replace("/srv/site/venv/bin/gounicorn", "/bin/true"))
    units = [tmp_path / "gounicorn.service", tmp_path / "gounicorn.socket"]
    done = run("systemd-analyze", "verify", "--recursive-errors=no", *units)
    assert (done.returncode, done.stderr) == (0, "")
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=30", "--no-pager", units[0])
    assert done.returncode == 0, done.stdout


def test_unit_and_manifests_use_flags_that_exist(flags: set[str]) -> None:
    """Every flag in a file under deploy/ that starts gounicorn is one that it has."""
    used = set()
    for name in ("systemd/gounicorn.service", "container/Dockerfile", "kubernetes/deployment.yaml"):
        for line in (DEPLOY / name).read_text().splitlines():
            if not line.strip().startswith("#") and ("gounicorn " in line or line.strip().startswith("- --")):
                used |= set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", line))
    assert used - {"--noinput"} <= flags
    assert "--drain-delay" in used


def test_kubernetes_accepts_the_manifests() -> None:
    """Every object is valid by the schemas of its kind, strictly, and the names they share agree."""
    kinds = {}
    for name, document in documents():
        if name != "kustomization.yaml":
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
            kinds[document["kind"]] = document
    assert set(kinds) == {"Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"}
    listed = next(document for name, document in documents() if name == "kustomization.yaml")["resources"]
    assert set(listed) == {name for name, _ in documents()} - {"kustomization.yaml"}
    label = kinds["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert kinds["Deployment"]["spec"]["selector"]["matchLabels"] == kinds["Service"]["spec"]["selector"] == label
    assert kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == label
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    arguments = dict(word.split("=", 1) for word in pod["containers"][0]["args"] if "=" in word)
    assert pod["terminationGracePeriodSeconds"] > int(arguments["--drain-delay"]) + int(arguments["--graceful-timeout"])


def test_autoscalers_are_two_ways_to_the_same() -> None:
    """KEDA's object names the Deployment and the bounds that the autoscaler without KEDA has, which it takes the place of."""
    keda = DEPLOY / "kubernetes-keda"
    scaled = yaml.safe_load((keda / "scaledobject.yaml").read_text())["spec"]
    usual = {document["kind"]: document for _, document in documents()}["HorizontalPodAutoscaler"]["spec"]
    assert scaled["scaleTargetRef"]["name"] == usual["scaleTargetRef"]["name"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (usual["minReplicas"], usual["maxReplicas"])
    listed = yaml.safe_load((keda / "kustomization.yaml").read_text())
    assert [(keda / name).exists() for name in listed["resources"]] == [True, True]
    assert "HorizontalPodAutoscaler" in listed["patches"][0]["patch"]


def test_dockerfile_is_clean() -> None:
    """hadolint finds nothing; that versions of Debian's compilers are not pinned is meant."""
    done = run(Path(sys.prefix) / "bin" / "hadolint", "--ignore=DL3008", DEPLOY / "container" / "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")


def test_alerts_and_dashboard_ask_for_metrics_that_exist(metrics: set[str]) -> None:
    """Every name in an expression is one of ours or of the Go runtime's collector."""
    foreign = {"up", "process_resident_memory_bytes"}
    for name, expression in expressions():
        asked = set(re.findall(r"\b(gounicorn_\w+|process_\w+|up)\b", expression))
        assert asked, name
        assert asked <= metrics | foreign, name


def test_promtool_accepts_the_expressions(tmp_path: Path) -> None:
    """The alert rules as they are, and the dashboard's expressions as recording rules."""
    done = run("promtool", "check", "rules", DEPLOY / "monitoring" / "alerts.yml")
    assert done.returncode == 0, done.stderr
    rules = [{"record": f"panel:{number}", "expr": expression} for number, (_, expression) in enumerate(expressions())]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = run("promtool", "check", "rules", path)
    assert done.returncode == 0, done.stderr
