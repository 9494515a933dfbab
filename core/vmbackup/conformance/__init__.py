"""What every target, mirror, compressor, reporter and notifier promises, one function each.

A promise is a function that takes an entered target with nothing on it and raises PromiseBroken where the target does
something else. `hold` calls it with a new folder of any target, and cleans up. `vmbackup check` holds a configured
target against them all; `vmbackup.testing` does the same in pytest. A promise of a compressor takes a compressor, one
of a reporter or notifier takes either, and one of a mirror an entered mirror and the place of its copies, on which
nothing lies; each is called as it is. Those of methods need a simulated pool, and stand in `vmbackup.testing`.
"""

from vmbackup.conformance.compressing import (
    gives_back_every_size,
    gives_chunks_that_last,
    lets_errors_of_its_source_go_on,
    takes_any_chunks,
    unpacks_by_its_shell_words,
)
from vmbackup.conformance.copying import (
    copies_from_paths,
    copies_twice,
    holds_nothing_at_first,
    keeps_every_file,
    needs_little_memory,
)
from vmbackup.conformance.cutting import counts_nothing_half, mends_what_is_wrong, passes_no_damage_on
from vmbackup.conformance.damage import (
    finds_every_cut,
    leaves_no_end_when_its_source_fails,
    never_gives_other_bytes,
    refuses_what_follows_its_end,
)
from vmbackup.conformance.holding import Promise, PromiseBroken, hold
from vmbackup.conformance.identity import is_known_by_its_identity, refuses_to_be_another
from vmbackup.conformance.looking import never_lists_short, tells_that_it_goes_on
from vmbackup.conformance.memory import needs_no_more_for_more, refuses_hostile, takes_little_for_a_bomb
from vmbackup.conformance.naming import refuses_every_other_key, takes_every_key
from vmbackup.conformance.once import (
    deletes_twice,
    keeps_files_and_folders_apart,
    refuses_a_second_store,
    removes_empty_folders,
)
from vmbackup.conformance.packing import CompressorPromise
from vmbackup.conformance.places import FolderPlace, MirrorPromise, Place
from vmbackup.conformance.reading import (
    keeps_empty_files,
    keeps_every_byte,
    keeps_large_files,
    keeps_zeros,
    lists_what_is_there,
    reads_any_window,
    says_what_is_missing,
)
from vmbackup.conformance.reports import reports
from vmbackup.conformance.space import says_how_much_is_free, stays_usable_when_full
from vmbackup.conformance.telling import (
    Teller,
    TellerPromise,
    changes_no_report,
    leaves_standard_output_alone,
    leaves_the_process_alone,
    raises_when_it_cannot_tell,
    says_no_secret,
    takes_every_report,
    writes_no_secret,
)
from vmbackup.conformance.unfinished import (
    finds_what_a_dead_writer_left,
    hides_what_is_unfinished,
    leaves_nothing_of_a_failed_source,
)
from vmbackup.conformance.withdrawing import leaves_what_is_not_its_own, removes_manifests_first, removes_twice
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

MIRROR_PROMISES: tuple[MirrorPromise, ...] = (
    holds_nothing_at_first,
    keeps_every_file,
    copies_from_paths,
    copies_twice,
    needs_little_memory,
    counts_nothing_half,
    passes_no_damage_on,
    mends_what_is_wrong,
    removes_manifests_first,
    leaves_what_is_not_its_own,
    removes_twice,
)
"""Those of every mirror."""

COMPRESSOR_PROMISES: tuple[CompressorPromise, ...] = (
    gives_back_every_size,
    takes_any_chunks,
    gives_chunks_that_last,
    lets_errors_of_its_source_go_on,
    needs_no_more_for_more,
    unpacks_by_its_shell_words,
)
"""Those of every compressor, also of one that leaves the bytes as they are."""

FORMAT_PROMISES: tuple[CompressorPromise, ...] = (
    finds_every_cut,
    never_gives_other_bytes,
    refuses_what_follows_its_end,
    leaves_no_end_when_its_source_fails,
    takes_little_for_a_bomb,
)
"""Those of a compressor with a format of its own."""

TELLER_PROMISES: tuple[TellerPromise, ...] = (
    takes_every_report,
    changes_no_report,
    leaves_the_process_alone,
    leaves_standard_output_alone,
    says_no_secret,
)
"""Those of every reporter and notifier that works."""

__all__ = [
    "COMPRESSOR_PROMISES",
    "FORMAT_PROMISES",
    "MIRROR_PROMISES",
    "PROMISES",
    "TELLER_PROMISES",
    "CompressorPromise",
    "FolderPlace",
    "MirrorPromise",
    "Place",
    "Promise",
    "PromiseBroken",
    "Teller",
    "TellerPromise",
    "changes_no_report",
    "copies_from_paths",
    "copies_twice",
    "counts_nothing_half",
    "deletes_twice",
    "finds_every_cut",
    "finds_what_a_dead_writer_left",
    "gives_back_every_size",
    "gives_chunks_that_last",
    "hides_what_is_unfinished",
    "hold",
    "holds_nothing_at_first",
    "is_known_by_its_identity",
    "keeps_empty_files",
    "keeps_every_byte",
    "keeps_every_file",
    "keeps_files_and_folders_apart",
    "keeps_large_files",
    "keeps_zeros",
    "leaves_no_end_when_its_source_fails",
    "leaves_nothing_of_a_failed_source",
    "leaves_standard_output_alone",
    "leaves_the_process_alone",
    "leaves_what_is_not_its_own",
    "lets_errors_of_its_source_go_on",
    "lets_one_writer_win",
    "lets_writers_work_side_by_side",
    "lists_what_is_there",
    "mends_what_is_wrong",
    "needs_little_memory",
    "needs_no_more_for_more",
    "never_gives_other_bytes",
    "never_lists_short",
    "passes_no_damage_on",
    "raises_when_it_cannot_tell",
    "reads_any_window",
    "refuses_a_second_store",
    "refuses_every_other_key",
    "refuses_hostile",
    "refuses_to_be_another",
    "refuses_what_follows_its_end",
    "removes_empty_folders",
    "removes_manifests_first",
    "removes_twice",
    "reports",
    "says_how_much_is_free",
    "says_no_secret",
    "says_what_is_missing",
    "stays_usable_when_full",
    "takes_any_chunks",
    "takes_every_key",
    "takes_every_report",
    "takes_little_for_a_bomb",
    "tells_that_it_goes_on",
    "unpacks_by_its_shell_words",
    "writes_no_secret",
]
