"""Promises about change: nothing is overwritten, and what is deleted is gone."""

from vmbackup.conformance.content import files, noise, read, require_absent, require_stored
from vmbackup.conformance.holding import refused, require, taken
from vmbackup.contracts import Target
from vmbackup.errors import KeyExists, KeyMissing, TargetError
from vmbackup.settings import Settings


def refuses_a_second_store(target: Target[Settings]) -> None:
    """Storing under a key that is taken raises KeyExists, and what lies there stays as it is."""
    first = noise(100_000)
    target.store("a/key", [first])
    for second in ([noise(200_000, "second")], [b"short"], []):
        with refused(KeyExists, "storing under a key that is taken"):
            target.store("a/key", second)
        require_stored(target, "a/key", first)
    require([entry.key for entry in files(target)] == ["a/key"], "a store that is refused leaves something")


def keeps_files_and_folders_apart(target: Target[Settings]) -> None:
    """A key below a file, or one that has keys below it, is an error or a file of its own, and harms no other."""
    target.store("a/file", [b"first"])
    for key in ("a/file/below", "a"):
        try:
            target.store(key, [b"second"])
        except TargetError:
            require(target.stat(key) is None, f"storing {key} failed, and {key} is there")
        else:
            require(read(target, key) == b"second", f"{key} was stored, and reads back as something else")
            target.delete(key)
        require_stored(target, "a/file", b"first")


def deletes_twice(target: Target[Settings]) -> None:
    """What is deleted is gone at once, and deleting it again, or what never was there, is no error."""
    target.store("a/key", [b"x"])
    target.store("a/other", [b"y"])
    for _ in range(2):
        with taken("deleting a file, and deleting it again,"):
            target.delete("a/key")
        require_absent(target, "a/key")
        with refused(KeyMissing, "fetching what was deleted"):
            read(target, "a/key")
    for key in ("never", "never/there", "a/other/below", "a"):
        with taken(f"deleting {key}, where no file is,"):
            target.delete(key)
    require_stored(target, "a/other", b"y")
    with taken("storing again what was deleted"):
        target.store("a/key", [b"again"])
    require_stored(target, "a/key", b"again")


def removes_empty_folders(target: Target[Settings]) -> None:
    """A folder is there as long as something lies below it, and no longer."""
    for key in ("a/b/c/one", "a/b/two", "a/b/c2/three"):
        target.store(key, [b"x"])
    target.delete("a/b/c/one")
    listed = {entry.key for entry in target.entries("a/b")}
    require(listed == {"a/b/two", "a/b/c2"}, f"after a/b/c was emptied, a/b lists {sorted(listed)}")
    target.delete("a/b/two")
    target.delete("a/b/c2/three")
    listed = {entry.key for entry in target.entries()}
    require(not listed, f"when all is deleted, {sorted(listed)} are listed")
