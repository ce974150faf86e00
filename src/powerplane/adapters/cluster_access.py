"""The way to a live cluster: kubeconfig, context and credentials, by the official client."""

import os
from dataclasses import dataclass
from pathlib import Path

import yaml
from kubernetes import client, config
from kubernetes.config.config_exception import ConfigException

from powerplane.models.errors import InputError
from powerplane.models.known_structs import know_structs

MOST_KEPT = 64
"""Connections that are kept open: a watch holds one for as long as it stands, and more writers than are left would each
shake hands anew for every write."""

INSTEAD = "or plan from files: `powerplane plan --snapshot DIR`"


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """An authenticated client and whom it talks to.

    Parameters
    ----------
    api : kubernetes.client.ApiClient
    server : str
        The API server's address, for messages.
    context : str
        The kubeconfig's context; "" inside a cluster.
    """

    api: client.ApiClient
    server: str
    context: str

    @property
    def kubectl(self) -> str:
        """The kubectl command that talks to the same cluster."""
        return f"kubectl --context {self.context}" if self.context else "kubectl"


def open_cluster(kubeconfig: Path | None = None, context: str | None = None) -> ClusterAccess:
    """Find the cluster as kubectl does: the file given, else ``KUBECONFIG``, ``~/.kube/config``, the pod's own account.

    Nothing is sent yet, except by a credential plugin that the kubeconfig names. The file is never written to.

    Parameters
    ----------
    kubeconfig : Path, optional
    context : str, optional
        A context of the kubeconfig; its current one by default.

    Raises
    ------
    InputError
        When there is no kubeconfig, it cannot be used, or it lacks the context.
    """
    # Whoever talks to a cluster has threads that decode what it says.
    know_structs()
    settings = client.Configuration()
    # Retries are ours (see cluster_lists): the pool's own would multiply them and hide what was tried.
    settings.retries = False
    settings.connection_pool_maxsize = MOST_KEPT
    if kubeconfig is None and not _has_kubeconfig():
        return _inside(settings)
    source = _default_source() if kubeconfig is None else str(kubeconfig)
    if kubeconfig is not None and not kubeconfig.is_file():
        raise InputError(
            f"the kubeconfig {source} does not exist",
            f"pass `--kubeconfig FILE` with the file that kubectl uses, {INSTEAD}",
        )
    chosen = _context(source, context)
    try:
        config.load_kube_config(source, context=chosen, client_configuration=settings, persist_config=False)
    except (ConfigException, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"the context {chosen!r} of the kubeconfig {source} cannot be used: {error}",
            f"check that `kubectl --context {chosen} get nodes` answers, {INSTEAD}",
        ) from error
    return ClusterAccess(client.ApiClient(settings), str(settings.host), chosen)


def _default_source() -> str:
    """Where kubectl looks; several files are joined as in a PATH. The client itself looks once, when imported."""
    return os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())


def _has_kubeconfig() -> bool:
    return any(Path(path).expanduser().is_file() for path in _default_source().split(os.pathsep) if path)


def _inside(settings: client.Configuration) -> ClusterAccess:
    try:
        config.load_incluster_config(client_configuration=settings)
    except ConfigException as error:
        raise InputError(
            "there is no kubeconfig (KUBECONFIG, ~/.kube/config), and this is not a pod with a service account",
            f"pass `--kubeconfig FILE`, {INSTEAD}",
        ) from error
    return ClusterAccess(client.ApiClient(settings), str(settings.host), "")


def _context(source: str, wanted: str | None) -> str:
    """Name of the context to use; it is known to exist."""
    try:
        contexts, current = config.list_kube_config_contexts(source)
    except (ConfigException, OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise InputError(
            f"the kubeconfig {source} cannot be read: {error}",
            f"check that `kubectl config get-contexts` lists your cluster, {INSTEAD}",
        ) from error
    names = [str(entry["name"]) for entry in contexts]
    chosen = wanted if wanted is not None else str(current["name"]) if current else ""
    if chosen not in names:
        raise InputError(
            f"the kubeconfig {source} has no context {chosen!r}",
            f"pass `--context` with one of: {', '.join(names) or '(none)'}",
        )
    return chosen
