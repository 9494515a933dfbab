"""Compressors that are each wrong in one way, over gzip; `BROKEN` names the promise that each breaks."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from typing_extensions import Buffer

from vmbackup import ImageError, conformance
from vmbackup.conformance import CompressorPromise
from vmbackup_compressors.gzip import HEADER, LAST, TRAILER, Gzip

BROKEN: dict[type[Gzip], CompressorPromise] = {}
BLOCK = 64 << 10


def breaks(promise: CompressorPromise) -> Callable[[type[Gzip]], type[Gzip]]:
    def note(kind: type[Gzip]) -> type[Gzip]:
        BROKEN[kind] = promise
        return kind

    return note


@breaks(conformance.gives_back_every_size)
class LosesWholeBlocks(Gzip):
    """Packs what is left over only if there is something, and the last block never."""

    def compress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        data = b"".join(chunks)
        return super().compress([data if len(data) % BLOCK or not data else data[:-BLOCK]])


@breaks(conformance.gives_back_every_size)
class MakesNothingOfNothing(Gzip):
    """Has no stream for an image of no bytes."""

    def compress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        for chunk in chunks:
            yield from super().compress(chain([chunk], chunks))


@breaks(conformance.gives_back_every_size)
class NeedsItsSettings(Gzip):
    """Unpacks only with the level that it packed with."""

    def compress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        yield bytes([self.settings.level])
        yield from super().compress(chunks)

    def decompress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        data = b"".join(chunks)
        if data[:1] != bytes([self.settings.level]):
            raise ImageError("packed at another level", position=0)
        return super().decompress([data[1:]])


@breaks(conformance.takes_any_chunks)
class TakesTheFirstChunkForItsHeader(Gzip):
    def decompress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        rest = iter(chunks)
        first = bytes(next(rest, b""))
        if not first.startswith(HEADER):
            raise ImageError("this is no gzip", position=0)
        return super().decompress(chain([first], rest))


@breaks(conformance.takes_any_chunks)
class CountsItemsForBytes(Gzip):
    def compress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        return super().compress(bytes(chunk)[: len(memoryview(chunk))] for chunk in chunks)


@breaks(conformance.takes_any_chunks)
class TakesAnEmptyChunkForTheEnd(Gzip):
    def compress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        source = iter(chunks)
        return super().compress(iter(lambda: bytes(next(source, b"")), b""))


class ReusesItsBuffer(Gzip):
    """Gives all chunks out in the same memory."""

    def reused(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        own = bytearray(8 << 20)
        for chunk in chunks:
            data = bytes(chunk)
            own[: len(data)] = data
            yield memoryview(own)[: len(data)]


@breaks(conformance.gives_chunks_that_last)
class ReusesItsBufferWhilePacking(ReusesItsBuffer):
    def compress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        return self.reused(super().compress(chunks))


@breaks(conformance.gives_chunks_that_last)
class ReusesItsBufferWhileUnpacking(ReusesItsBuffer):
    def decompress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        return self.reused(super().decompress(chunks))


@breaks(conformance.lets_errors_of_its_source_go_on)
class HasItsOwnWords(Gzip):
    """Takes an error of the source for damage."""

    def decompress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        try:
            yield from super().decompress(chunks)
        except OSError as error:
            raise ImageError(str(error), position=0) from error


@breaks(conformance.lets_errors_of_its_source_go_on)
class TakesAnErrorForTheEnd(Gzip):
    def compress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        def until_it_fails() -> Iterator[Buffer]:
            try:
                yield from chunks
            except EOFError:
                return

        return super().compress(until_it_fails())


@breaks(conformance.needs_no_more_for_more)
class KeepsTheImage(Gzip):
    def compress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        return super().compress(list(chunks))


@breaks(conformance.needs_no_more_for_more)
class KeepsTheStream(Gzip):
    def decompress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        return super().decompress(list(chunks))


@breaks(conformance.takes_little_for_a_bomb)
class UnpacksAChunkInOneGo(Gzip):
    def decompress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        yield b"".join(super().decompress(chunks))


@breaks(conformance.unpacks_by_its_shell_words)
class NamesAnotherProgram(Gzip):
    unpack = "cat"


@breaks(conformance.unpacks_by_its_shell_words)
class UnpacksIntoAFile(Gzip):
    unpack = "gzip -dk"


@breaks(conformance.unpacks_by_its_shell_words)
class SaysThatItChangesNothing(Gzip):
    suffix = ""


@breaks(conformance.finds_every_cut)
class TakesAnyEnd(Gzip):
    def decompress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        try:
            yield from super().decompress(chunks)
        except ImageError as error:
            if "ends in the middle" not in error.message:
                raise


@breaks(conformance.finds_every_cut)
class NeedsNoTrailer(Gzip):
    """Takes the last block for the end."""

    def decompress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        data = b"".join(chunks)
        missing = 0
        while True:
            try:
                yield from list(super().decompress([data + bytes(missing)]))
            except ImageError as error:
                missing += 1
                if "ends in the middle" not in error.message or missing > TRAILER.size:
                    if "checksum" in error.message:
                        return
                    raise
            else:
                return


@breaks(conformance.never_gives_other_bytes)
class LooksAtNoChecksum(Gzip):
    def decompress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        try:
            yield from super().decompress(chunks)
        except ImageError as error:
            if "checksum" not in error.message:
                raise


@breaks(conformance.never_gives_other_bytes)
class SaysItWithAnotherError(Gzip):
    def decompress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        try:
            yield from super().decompress(chunks)
        except ImageError as error:
            raise ValueError(error.message) from error


@breaks(conformance.refuses_what_follows_its_end)
class StopsAtItsEnd(Gzip):
    def decompress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        try:
            yield from super().decompress(chunks)
        except ImageError as error:
            if "foreign" not in error.message:
                raise


@breaks(conformance.leaves_no_end_when_its_source_fails)
class AlwaysCloses(Gzip):
    """Closes its stream properly, whatever happens, and then raises."""

    def compress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        failed: list[Exception] = []

        def until_it_fails() -> Iterator[Buffer]:
            try:
                yield from chunks
            except Exception as error:  # noqa: BLE001 - raised below
                failed.append(error)

        yield from super().compress(until_it_fails())
        if failed:
            raise failed[0]


class BelievesWhatItIsTold(Gzip):
    """Makes room for as much as the stream says that it holds."""

    def decompress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        data = b"".join(chunks)
        room = bytearray(b"\1") * int.from_bytes(data[:8], "little")
        raise ImageError("there was less in it", position=len(room))


EMPTY = HEADER + LAST + TRAILER.pack(0, 0)
