"""What every target promises, one function each.

A promise is a function that takes an entered target with nothing on it and raises PromiseBroken where the target does
something else. `hold` calls it with a new folder of any target, and cleans up. `vmbackup check` holds a configured
target against them all; `vmbackup.testing` does the same in pytest.
"""

from vmbackup.conformance.holding import Promise, PromiseBroken, hold
from vmbackup.conformance.identity import is_known_by_its_identity, refuses_to_be_another
from vmbackup.conformance.naming import refuses_every_other_key, takes_every_key
from vmbackup.conformance.once import (
    deletes_twice,
    keeps_files_and_folders_apart,
    refuses_a_second_store,
    removes_empty_folders,
)
from vmbackup.conformance.reading import (
    keeps_empty_files,
    keeps_every_byte,
    keeps_large_files,
    keeps_zeros,
    lists_what_is_there,
    reads_any_window,
    says_what_is_missing,
)
from vmbackup.conformance.space import says_how_much_is_free, stays_usable_when_full
from vmbackup.conformance.unfinished import (
    finds_what_a_dead_writer_left,
    hides_what_is_unfinished,
    leaves_nothing_of_a_failed_source,
)
from vmbackup.conformance.writers import lets_one_writer_win, lets_writers_work_side_by_side

PROMISES: tuple[Promise, ...] = (
    keeps_every_byte,
    keeps_empty_files,
    keeps_large_files,
    keeps_zeros,
    reads_any_window,
    says_what_is_missing,
    lists_what_is_there,
    takes_every_key,
    refuses_every_other_key,
    refuses_a_second_store,
    keeps_files_and_folders_apart,
    deletes_twice,
    removes_empty_folders,
    hides_what_is_unfinished,
    leaves_nothing_of_a_failed_source,
    finds_what_a_dead_writer_left,
    lets_one_writer_win,
    lets_writers_work_side_by_side,
    says_how_much_is_free,
    is_known_by_its_identity,
)
"""Those that need nothing but a target."""

__all__ = [
    "PROMISES",
    "Promise",
    "PromiseBroken",
    "deletes_twice",
    "finds_what_a_dead_writer_left",
    "hides_what_is_unfinished",
    "hold",
    "is_known_by_its_identity",
    "keeps_empty_files",
    "keeps_every_byte",
    "keeps_files_and_folders_apart",
    "keeps_large_files",
    "keeps_zeros",
    "leaves_nothing_of_a_failed_source",
    "lets_one_writer_win",
    "lets_writers_work_side_by_side",
    "lists_what_is_there",
    "reads_any_window",
    "refuses_a_second_store",
    "refuses_every_other_key",
    "refuses_to_be_another",
    "removes_empty_folders",
    "says_how_much_is_free",
    "says_what_is_missing",
    "stays_usable_when_full",
    "takes_every_key",
]
