"""Finds out from the environment which process of a distributed program this is: Slurm, Open MPI, Kubernetes, plain variables."""
from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

PORT = 8476  # where the coordinator listens when nothing says otherwise
_HIGH, _SPAN = 61440, 4096  # ports that a job's number is mapped to, so that jobs on one machine differ


@dataclass(frozen=True)
class Place:
    """What is known of a process: the coordinator's ``host:port``, how many there are, and which one this is (None: unknown)."""
    coordinator_address: str | None = None
    num_processes: int | None = None
    process_id: int | None = None
    local_process_id: int | None = None


def _number(env: Mapping[str, str], *names: str) -> int | None:
    for name in names:
        text = env.get(name)
        if text:
            if not text.isdigit():
                raise ValueError(f"environment variable {name}={text!r}: use a whole number")
            return int(text)
    return None


def _text(env: Mapping[str, str], *names: str) -> str | None:
    return next((env[name] for name in names if env.get(name)), None)


def plain(env: Mapping[str, str]) -> Place | None:
    """Read ``XFORM_COORDINATOR_ADDRESS``, ``XFORM_NUM_PROCESSES`` and ``XFORM_PROCESS_ID`` (or ``JAX_...``)."""
    found = Place(_text(env, "XFORM_COORDINATOR_ADDRESS", "JAX_COORDINATOR_ADDRESS"),
                  _number(env, "XFORM_NUM_PROCESSES", "JAX_NUM_PROCESSES"),
                  _number(env, "XFORM_PROCESS_ID", "JAX_PROCESS_ID"))
    return None if found == Place() else found


def first_host(nodes: str) -> str:
    """Return the first host of a Slurm node list such as ``a[07-09,12]-ib,b3``."""
    match = re.match(r"([^,\[]*)(?:\[([^\]]*)\])?([^,\[]*)", nodes)
    head, ranges, tail = match.groups()
    if ranges is None:
        return head + tail
    return head + re.split(r"[,-]", ranges)[0] + tail


def slurm(env: Mapping[str, str]) -> Place | None:
    """Read the variables that srun sets for each task of a step."""
    nodes = _text(env, "SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST")
    job, count, own = _number(env, "SLURM_JOB_ID"), _number(env, "SLURM_NTASKS"), _number(env, "SLURM_PROCID")
    if nodes is None or job is None or count is None or own is None:
        return None
    return Place(f"{first_host(nodes)}:{_HIGH + job % _SPAN}", count, own, _number(env, "SLURM_LOCALID"))


def open_mpi(env: Mapping[str, str]) -> Place | None:
    """Read the variables that mpirun sets; its own contact address tells the coordinator's host and a port."""
    count, own = _number(env, "OMPI_COMM_WORLD_SIZE"), _number(env, "OMPI_COMM_WORLD_RANK")
    if count is None or own is None:
        return None
    uri = _text(env, "OMPI_MCA_orte_hnp_uri", "PMIX_SERVER_URI2", "PMIX_SERVER_URI21")
    match = re.match(r"([^;]*);tcp\d?://\[?([^,:;\]/]+)", uri or "")
    if match is None:
        return Place(None, count, own, _number(env, "OMPI_COMM_WORLD_LOCAL_RANK"))
    job = int("".join(c for c in match[1].split(".")[0] if c.isdigit()) or 0)
    return Place(f"{match[2]}:{_HIGH + job % _SPAN}", count, own, _number(env, "OMPI_COMM_WORLD_LOCAL_RANK"))


def kubernetes(env: Mapping[str, str]) -> Place | None:
    """Read what an indexed Job gives its pods, whose names are ``NAME-INDEX``; the number of pods must be in a variable."""
    own, host = _number(env, "JOB_COMPLETION_INDEX"), env.get("HOSTNAME", "")
    if "KUBERNETES_SERVICE_HOST" not in env or own is None:
        return None
    match = re.match(rf"(.*)-{own}(?:-[a-z0-9]+)?$", host)
    service = _text(env, "XFORM_KUBERNETES_SERVICE", "JOBSET_NAME")
    address = f"{match[1]}-0.{service}:{PORT}" if match and service else f"{match[1]}-0:{PORT}" if match else None
    return Place(address, _number(env, "XFORM_NUM_PROCESSES", "JAX_NUM_PROCESSES"), own)


DETECTORS: dict[str, Callable[[Mapping[str, str]], Place | None]] = {
    "env": plain, "slurm": slurm, "ompi": open_mpi, "k8s": kubernetes}


def detect(env: Mapping[str, str], method: str | None = None) -> Place:
    """Return what the environment tells, the plain variables first; ``method`` names the one to ask, "deactivate" none.

    ValueError for an unknown method.
    """
    if method == "deactivate":
        return Place()
    if method is not None and method not in DETECTORS:
        raise ValueError(f"distributed.initialize: cluster_detection_method={method!r}; use one of {', '.join(DETECTORS)}, or "
                         "deactivate")
    known = Place()
    for name, detector in DETECTORS.items():
        found = detector(env) if method in (None, name) else None
        if found is not None:
            known = Place(*[a if a is not None else b for a, b in zip(_fields(known), _fields(found))])
    return known


def _fields(place: Place) -> tuple:
    return place.coordinator_address, place.num_processes, place.process_id, place.local_process_id
