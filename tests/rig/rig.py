"""One rig: its folder, ports, certificates and processes, and the calls that tests make of it."""

import base64
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.rig import processes
from tests.rig.api import Api
from tests.rig.audit_log import audit_policy
from tests.rig.build import build
from tests.rig.pki import Authority, Pair, signing_key
from tests.rig.processes import StartError, free_ports, wait_for
from tests.rig.stages import stages

READY_S = 90.0
STOP_ORDER = ("kwok", "kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd")
"""The API server before etcd: one whose etcd is gone never stops, and keeps its port."""

PORTS = ("etcd", "etcd-peer", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
STATE = "rig.json"


def rigs_root() -> Path:
    """Folder of all rigs of this user."""
    return Path(tempfile.gettempdir()) / f"powerplane-rig-{os.getuid()}"


def scheduler_config(*extenders: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """A KubeSchedulerConfiguration with these extenders; the rig adds the connection."""
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False},
        "extenders": [dict(extender) for extender in extenders],
    } | fields


class Rig:
    """A control plane on loopback; made by ``Rig.start`` or ``running_rig``."""

    def __init__(self, folder: Path, ports: Mapping[str, int], *, outlive: bool) -> None:
        self.folder = folder
        self.ports = dict(ports)
        self.outlive = outlive
        self.binaries = build()
        self.server = f"https://127.0.0.1:{ports['kube-apiserver']}"
        self.pids: dict[str, int] = {}
        self.timings_s: dict[str, float] = {}
        self.reconfigured = self.interrupted = False
        self.audits = False
        self._commands: dict[str, list[str]] = {}

    # -- life

    @classmethod
    def start(
        cls,
        name: str,
        *,
        outlive: bool = False,
        config: Mapping[str, Any] | None = None,
        start_ms: int = 0,
        audit: bool = False,
    ) -> "Rig":
        """Start a rig.

        Parameters
        ----------
        name : str
            Names its folder; one of that name that was left behind is ended first.
        outlive : bool
            Whether it stays when this process ends.
        config : mapping, optional
            The scheduler's configuration; see ``scheduler_config``.
        start_ms : int
            How long KWOK's pods take from binding to ready.
        audit : bool
            Whether the API server writes down what ``tests.rig.auditor`` reads; see ``audit_log``.

        Raises
        ------
        BuildError, StartError
        """
        folder = rigs_root() / name
        sweep(name)
        folder.mkdir(parents=True, mode=0o700)
        rig = cls(folder, dict(zip(PORTS, free_ports(len(PORTS)), strict=True)), outlive=outlive)
        rig.audits = audit
        try:
            rig._make_identities()
            rig._start_all(config or scheduler_config(), start_ms)
        except BaseException:
            rig.stop()
            raise
        return rig

    def stop(self) -> None:
        """End every process, in order, and remove the folder."""
        for name in STOP_ORDER:
            if name in self.pids:
                processes.stop(self.pids.pop(name), name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self, name: str, *, hard: bool = True) -> None:
        """End one part; it can be started again with ``revive``."""
        pid = self.pids.pop(name)
        if hard:
            os.kill(pid, 9)
            wait_for(lambda: not processes.alive(pid, name), 5.0)
        else:
            processes.stop(pid, name)

    def revive(self, name: str) -> None:
        """Start a part again as it was."""
        self._spawn(name, self._commands[name])
        if name == "kube-apiserver":
            self._await("kube-apiserver", self._serves)
            # A scheduler that is refused for a moment may bind by what it knew before; the next test gets another, and
            # other controllers, whose watches come back after half a minute only.
            self.reconfigured = self.interrupted = True

    def restart_scheduler(self, config: Mapping[str, Any], *flags: str) -> None:
        """Run the scheduler with another configuration (``scheduler_config``) or other flags."""
        self.reconfigured = True
        if "kube-scheduler" in self.pids:
            self.kill("kube-scheduler", hard=False)
        self._start_scheduler(config, flags)

    def restart_controllers(self, *flags: str) -> None:
        """Run the controller manager with further flags, of which the last of a name counts."""
        name = "kube-controller-manager"
        if name in self.pids:
            self.kill(name, hard=False)
        self._spawn(name, [*self._controller_manager(), *flags])

    # -- identities

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folder / "admin.kubeconfig"

    def kubeconfig_for(self, user: str, *groups: str) -> Path:
        """A kubeconfig for any user, by a certificate of the rig's authority."""
        return self._kubeconfig(user, groups)

    def api_for(self, user: str, *groups: str) -> Api:
        """A client as any user."""
        return Api(self.server, self.authority.file, self.authority.issue(user, groups))

    def _make_identities(self) -> None:
        self.authority = Authority(self.folder / "pki")
        self._server_pair = self.authority.issue("kube-apiserver")
        self._front = self.authority.issue("front-proxy-client")
        self._signer = signing_key(self.folder / "pki" / "sa.key")
        self.admin: Pair = self.authority.issue("admin", ("system:masters",))
        self._write_kubeconfig("admin", self.admin)
        for name in ("kube-scheduler", "kube-controller-manager"):
            self._write_kubeconfig(name, self.authority.issue(f"system:{name}", file=name))
        self.api = Api(self.server, self.authority.file, self.admin)

    def _kubeconfig(self, user: str, groups: tuple[str, ...]) -> Path:
        stem = user.replace(":", "-").replace("/", "-")
        return self._write_kubeconfig(stem, self.authority.issue(user, groups))

    def _write_kubeconfig(self, stem: str, pair: Pair) -> Path:
        def inline(file: Path) -> str:
            return base64.b64encode(file.read_bytes()).decode()

        file = self.folder / f"{stem}.kubeconfig"
        cluster = {"server": self.server, "certificate-authority-data": inline(self.authority.file)}
        user = {"client-certificate-data": inline(pair.certificate), "client-key-data": inline(pair.key)}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "rig",
            "clusters": [{"name": "rig", "cluster": cluster}],
            "users": [{"name": stem, "user": user}],
            "contexts": [{"name": "rig", "context": {"cluster": "rig", "user": stem}}],
        }
        file.write_text(json.dumps(content))
        file.chmod(0o600)
        return file

    # -- processes

    def _start_all(self, config: Mapping[str, Any], start_ms: int) -> None:
        began = time.monotonic()
        self._spawn("etcd", self._etcd())
        self._spawn("kube-apiserver", self._apiserver())
        self._await("kube-apiserver", self._serves)
        self.timings_s["apiserver ready"] = time.monotonic() - began
        self._spawn("kube-controller-manager", self._controller_manager())
        stages_file = self.folder / "stages.yaml"
        stages_file.write_text(stages(start_ms=start_ms))
        self._spawn("kwok", self._kwok(stages_file))
        self._start_scheduler(config, ())
        self.timings_s["all started"] = time.monotonic() - began

    def _start_scheduler(self, config: Mapping[str, Any], flags: tuple[str, ...]) -> None:
        connection = {"kubeconfig": str(self.folder / "kube-scheduler.kubeconfig"), "qps": 5000, "burst": 10000}
        file = self.folder / "scheduler.yaml"
        file.write_text(json.dumps({**config, "clientConnection": connection}))
        self._spawn("kube-scheduler", [*self._scheduler(file), *flags])
        self._await("kube-scheduler", lambda: self.scheduler_get("/readyz") is not None)

    def _spawn(self, name: str, command: list[str]) -> None:
        self._commands[name] = command
        program = [str(self.binaries / command[0]), *command[1:]]
        self.pids[name] = processes.spawn(program, self.log(name), outlive=self.outlive)
        self._write_state()

    def _await(self, name: str, ready: Any) -> None:
        if wait_for(lambda: ready() or not processes.alive(self.pids[name], name), READY_S) and ready():
            return
        raise StartError(f"{name} is not ready:\n{processes.tail(self.log(name))}")

    def _serves(self) -> bool:
        try:
            return self.api.call("GET", "/readyz").ok
        except Exception:  # whatever the connection says while the server comes up
            return False

    def scheduler_get(self, path: str) -> str | None:
        """A page of the scheduler's own server ("/metrics"); None while it does not answer."""
        try:
            answer = self.api.pool.request("GET", f"https://127.0.0.1:{self.ports['kube-scheduler']}{path}")
        except Exception:  # as above
            return None
        return answer.data.decode() if answer.status == 200 else None

    def log(self, name: str) -> Path:
        """A part's log."""
        return self.folder / f"{name}.log"

    @property
    def audit_log(self) -> Path:
        """What the API server writes down, of a rig that was started with ``audit``."""
        return self.folder / "audit.log"

    def _write_state(self) -> None:
        state = {"owner": os.getpid(), "outlive": self.outlive, "server": self.server, "pids": self.pids}
        (self.folder / STATE).write_text(json.dumps(state))

    # -- command lines

    def _etcd(self) -> list[str]:
        client = f"http://127.0.0.1:{self.ports['etcd']}"
        peer = f"http://127.0.0.1:{self.ports['etcd-peer']}"
        return [
            "etcd",
            "--name=rig",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=rig={peer}",
            "--unsafe-no-fsync",
            "--quota-backend-bytes=4294967296",
            "--log-level=warn",
        ]

    def _apiserver(self) -> list[str]:
        authority = self.authority.file
        return [
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self.ports['etcd']}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.ports['kube-apiserver']}",
            f"--tls-cert-file={self._server_pair.certificate}",
            f"--tls-private-key-file={self._server_pair.key}",
            f"--client-ca-file={authority}",
            f"--service-account-key-file={self._signer}",
            f"--service-account-signing-key-file={self._signer}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--endpoint-reconciler-type=none",
            # There is no kube-proxy: webhooks that are named by a Service are called at its endpoints.
            "--enable-aggregator-routing=true",
            "--allow-privileged=true",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--disable-admission-plugins=ServiceAccount",
            f"--proxy-client-cert-file={self._front.certificate}",
            f"--proxy-client-key-file={self._front.key}",
            f"--requestheader-client-ca-file={authority}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--delete-collection-workers=16",
            "--max-requests-inflight=0",
            "--max-mutating-requests-inflight=0",
            "--enable-priority-and-fairness=false",
            *(self._audit() if self.audits else ()),
        ]

    def _audit(self) -> list[str]:
        policy = self.folder / "audit.yaml"
        policy.write_text(audit_policy())
        # Unbuffered: what has been answered stands in the file.
        return [f"--audit-policy-file={policy}", f"--audit-log-path={self.audit_log}", "--audit-log-mode=blocking"]

    def _controller_manager(self) -> list[str]:
        own = self.folder / "kube-controller-manager.kubeconfig"
        return [
            "kube-controller-manager",
            f"--kubeconfig={own}",
            f"--authentication-kubeconfig={own}",
            f"--authorization-kubeconfig={own}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.ports['kube-controller-manager']}",
            "--leader-elect=false",
            "--kube-api-qps=5000",
            "--kube-api-burst=10000",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={self._signer}",
            f"--root-ca-file={self.authority.file}",
            "--node-monitor-period=25s",
            "--node-monitor-grace-period=3m20s",
        ]

    def _scheduler(self, config: Path) -> list[str]:
        own = self.folder / "admin.kubeconfig"
        return [
            "kube-scheduler",
            f"--config={config}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.ports['kube-scheduler']}",
            f"--tls-cert-file={self._server_pair.certificate}",
            f"--tls-private-key-file={self._server_pair.key}",
            "--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics",
            f"--authentication-kubeconfig={own}",
            f"--authorization-kubeconfig={own}",
        ]

    def _kwok(self, stages_file: Path) -> list[str]:
        port = self.ports["kwok"]
        return [
            "kwok",
            f"--config={stages_file}",
            f"--kubeconfig={self.folder / 'admin.kubeconfig'}",
            "--manage-all-nodes=true",
            "--node-ip=127.0.0.1",
            "--node-name=localhost",
            f"--node-port={port}",
            f"--server-address=127.0.0.1:{port}",
            "--node-lease-duration-seconds=200",
        ]


def sweep(name: str) -> bool:
    """End what a rig of this name left behind, and remove its folder; True where something still ran."""
    file = rigs_root() / name / STATE
    try:
        pids = json.loads(file.read_text())["pids"]
    except (OSError, ValueError, KeyError):
        return False
    left = [program for program in STOP_ORDER if program in pids and processes.alive(pids[program], program)]
    for program in left:
        processes.stop(pids[program], program)
    shutil.rmtree(file.parent, ignore_errors=True)
    return bool(left)


@contextmanager
def running_rig(name: str, **options: Any) -> Iterator[Rig]:
    """A rig for as long as the block runs."""
    rig = Rig.start(f"{name}-{os.getpid()}", **options)
    try:
        yield rig
    finally:
        rig.stop()
