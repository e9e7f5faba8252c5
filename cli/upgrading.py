"""What `dalsegno init` has made of a namespace, and what it waits for, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dalsegno.persistence.port import Cluster, HostRow, Namespace
from dalsegno.persistence.tables import HEAD


@dataclass(frozen=True, slots=True)
class Initialised:
    """`before` is None where there was no namespace, or one that this version does not read. `cluster` is as it
    was left."""

    before: Namespace | None
    namespace: Namespace
    cluster: Cluster


def sentences(done: Initialised) -> list[str]:
    namespace, cluster = done.namespace, done.cluster
    told = [f"The namespace is there, with {namespace.partitions} partitions."]
    if namespace.revision > HEAD:
        told.append(
            f"Its tables are of revision {namespace.revision}, made by a newer version; this one ({HEAD}) can "
            "work with them, and leaves them as they are."
        )
    if done.before is None:
        return told
    if done.before.revision < namespace.revision:
        told.append(f"Its tables were raised from revision {done.before.revision} to {namespace.revision}.")
    if done.before.format_written < cluster.format_written:
        told.append(
            f"What is stored may be written in format {cluster.format_written} from now on; hosts of versions "
            "that do not read it are refused."
        )
    waited_for = [host for host in cluster.hosts if host.format_read < cluster.format_asked]
    if cluster.format_written < cluster.format_asked:
        told.append(
            f"Format {cluster.format_asked} will be written as soon as all live hosts say that they read it, "
            f"without another `dalsegno init`. These do not: {named(waited_for)}."
        )
    return told


def named(hosts: Sequence[HostRow]) -> str:
    return ", ".join(f"{host.host_id} (dalsegno {host.version})" for host in hosts)
