from tests.core.simulator.client import Client

from vmbackup.simulator import Simulator


def test_a_snapshot_leaves_a_message(sim: Simulator, xapi: Client) -> None:
    uuid = sim.add_vm("web")
    xapi("VM.snapshot", xapi.vm(uuid), "s")
    ((ref, message),) = xapi("message.get_all_records").items()
    assert (message["name"], message["priority"]) == ("VM_SNAPSHOTTED", "5")
    assert (message["cls"], message["obj_uuid"]) == ("VM", uuid)
    assert xapi("message.get", "VM", uuid, "19700101T00:00:00Z") == {ref: message}
    assert xapi("message.get", "host", uuid, "19700101T00:00:00Z") == {}
    assert xapi("message.get_since", "29991231T00:00:00Z") == {}
    xapi("message.destroy", ref)
    assert xapi("message.get_all") == []


def test_messages_are_made_and_removed_together(xapi: Client) -> None:
    made = [xapi("message.create", f"NAME_{number}", number, "pool", "a uuid", "text") for number in (1, 2, 3)]
    assert [xapi("message.get_record", ref)["priority"] for ref in made] == ["1", "2", "3"]
    xapi("message.destroy_many", made[:2])
    assert xapi("message.get_all") == made[2:]
