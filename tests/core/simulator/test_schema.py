from vmbackup.simulator.schema import MODEL, Type, parse_type


def test_every_class_of_the_data_model_has_all_its_fields() -> None:
    counts = {cls: len(fields) for cls, fields in MODEL.classes.items()}
    assert counts.items() >= {"VM": 90, "VBD": 22, "VDI": 32, "SR": 21, "task": 17, "pool": 57, "host": 70}.items()
    assert counts.items() >= {"VIF": 27, "network": 16, "PBD": 6, "PIF": 35, "session": 16, "VM_metrics": 16}.items()


def test_types_and_defaults_are_those_of_the_data_model() -> None:
    vm, vbd = MODEL.classes["VM"], MODEL.classes["VBD"]
    assert vm["HVM_shadow_multiplier"].default == 1.0
    assert vm["generation_id"].default == "0:0"
    assert vm["is_a_template"].default is None
    assert vbd["unpluggable"].default is True
    assert MODEL.classes["host"]["license_server"].default == {"address": "localhost", "port": "27000"}
    assert parse_type("int->string set map") == Type("map", items=Type("set", items=Type("string")), keys=Type("int"))
    assert MODEL.enums["vbd_mode"] == ("RO", "RW")
