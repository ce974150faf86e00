"""An Alertmanager process on loopback that tells a receiver, and ends with whoever started it."""

import os
import signal
from pathlib import Path

import requests
from tests.rig import processes
from tests.rig.processes import free_ports, wait_for

UP_S = 20.0
CONFIGURATION = """
route: {{receiver: local, group_by: [alertname, domain], group_wait: 100ms, group_interval: 200ms, repeat_interval: 1h}}
receivers:
- name: local
  webhook_configs: [{{url: "{url}", send_resolved: true}}]
"""


class AlertmanagerProcess:
    """May be killed and started again over the same data."""

    def __init__(self, program: str, folder: Path, receiver_url: str) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        folder.mkdir()
        (folder / "alertmanager.yml").write_text(CONFIGURATION.format(url=receiver_url))
        self.log = folder / "alertmanager.log"
        self._command = [
            program,
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ]
        self._session = requests.Session()
        self._session.trust_env = False
        self.pid = 0

    def start(self) -> None:
        self.pid = processes.spawn(self._command, self.log, outlive=False)
        assert wait_for(lambda: self.active() is not None, UP_S, 0.1), processes.tail(self.log)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        assert wait_for(lambda: not processes.alive(self.pid), 5)

    def active(self) -> set[str] | None:
        """Domains of what it holds as active; None where it does not answer."""
        found = self.alerts()
        return None if found is None else {each["labels"].get("domain", "") for each in found}

    def alerts(self) -> list[dict] | None:
        try:
            answer = self._session.get(f"{self.url}/api/v2/alerts", params={"active": "true"}, timeout=2)
            return answer.json() if answer.ok else None
        except (requests.RequestException, ValueError):
            return None

    def close(self) -> None:
        processes.stop(self.pid)
        self._session.close()
