"""TCP ports of this machine: which are free, and who holds one that is not."""

import socket

import psutil


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there now."""
    with socket.socket() as probe:
        # As servers do: a port that only lingers after a close is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_ports(host: str, count: int) -> list[int]:
    """Return ports that nobody holds at this moment."""
    probes = [socket.create_server((host, 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def port_owner(port: int) -> str:
    """Name the process that listens on a port, as far as this user may know it."""
    try:
        listening = [
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
            and connection.laddr
            and connection.laddr.port == port
        ]
        if listening and listening[0]:
            process = psutil.Process(listening[0])
            return f"pid {process.pid}, {' '.join(process.cmdline()[:4]) or process.name()}"
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        pass
    return "a process that this user may not see"
