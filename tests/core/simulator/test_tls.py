from pathlib import Path

import pytest
from tests.core.simulator.archive import read_archive
from tests.core.simulator.client import Client

from vmbackup.simulator import Cut, DiskSpec, Reset, Simulator

MIB = 1 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


def test_streams_and_faults_are_the_same_under_tls(folder: Path) -> None:
    with Simulator(folder) as sim:
        xapi = Client(sim, tls=True)
        vm = xapi.vm(sim.add_vm("a", [DiskSpec(5 * MIB, seed=1, fill=1.0)], power_state="Halted"))
        reply, task = xapi.export(vm)
        assert task["status"] == "success"
        ((folder_name, _),) = read_archive(reply.body).chunks.items()
        assert len(read_archive(reply.body).disk(folder_name, 5 * MIB)) == 5 * MIB
        sim.faults.add(Cut(after=2 * MIB))
        cut, task = xapi.export(vm)
        assert (len(cut.body), cut.reset, task["status"]) == (2 * MIB, False, "failure")
        sim.faults.add(Reset(after=2 * MIB))
        broken, task = xapi.export(vm)  # how a RST looks above TLS is OpenSSL's affair
        assert len(broken.body) <= 2 * MIB
        assert task["status"] == "failure"
        task_ref = xapi.task()
        put = xapi.put("/import", reply.body, session_id=xapi.session, task_id=task_ref)
        assert put.status in {"HTTP/1.1 200 OK", ""}
        assert xapi.wait(task_ref)["status"] == "success"


def test_plain_text_on_a_tls_port_ends_the_connection_and_nothing_else(folder: Path) -> None:
    with Simulator(folder) as sim:
        xapi = Client(sim, tls=True)
        secure, xapi.context = xapi.context, None
        assert not xapi.send(b"GET / HTTP/1.0\r\n\r\n").status.startswith("HTTP")
        xapi.context = secure
        assert xapi("host.get_all")
