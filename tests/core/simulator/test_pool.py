from vmbackup.simulator.pool import RefNumbers


def test_documents_begin_shortly_before_a_power_of_ten() -> None:
    refs = RefNumbers(94)
    starts = [refs.document()() for _ in range(4)]
    assert starts == [94, 994, 9994, 99994]


def test_a_first_number_is_kept_and_numbers_ascend() -> None:
    refs = RefNumbers(0)
    number = refs.document()
    assert [number() for _ in range(3)] == [0, 1, 2]
    assert refs.document()() == 94
