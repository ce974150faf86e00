"""A live cluster's nodes and domains, as the command line names it."""

from datetime import datetime
from pathlib import Path

from powerplane.adapters.cluster_access import open_cluster
from powerplane.adapters.live_site import list_nodes as nodes_of
from powerplane.adapters.live_site import read_live_site as site_from
from powerplane.adapters.site import Site
from powerplane.cli.progress import Say
from powerplane.cli.site import SiteFrom
from powerplane.models.objects import Node


def read_live_site(where: SiteFrom, say: Say, now: datetime) -> Site:
    """Read nodes and domains of a live cluster, by ``list`` requests alone; see ``read_site``."""
    access = open_cluster(where.kubeconfig, where.context)
    try:
        say("reading nodes")
        return site_from(access, where.topology, where.power, now)
    finally:
        access.api.rest_client.close()


def list_nodes(kubeconfig: Path | None, context: str | None) -> list[Node]:
    """Read the nodes of a live cluster, by ``list`` requests alone.

    Raises
    ------
    InputError, UnreachableError
    """
    access = open_cluster(kubeconfig, context)
    try:
        return nodes_of(access)
    finally:
        access.api.rest_client.close()
