"""A file or folder of the share that is open, and what can be done to it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from smbprotocol.file_info import (
    FileDispositionInformation,
    FileFsFullSizeInformation,
    FileInformationClass,
    FileRenameInformation,
    FileStandardInformation,
)
from smbprotocol.open import (
    CreateDisposition,
    CreateOptions,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    Open,
    SMB2QueryDirectoryResponse,
    SMB2QueryInfoRequest,
    SMB2QueryInfoResponse,
    SMB2SetInfoRequest,
)

from vmbackup_targets.smb.link import Link
from vmbackup_targets.smb.listing import FOLDER, LINK, Found, parse
from vmbackup_targets.smb.status import Status
from vmbackup_targets.smb.trouble import Lost, Refused

LOOK: Final = FilePipePrinterAccessMask.FILE_READ_ATTRIBUTES
READ: Final = LOOK | FilePipePrinterAccessMask.FILE_READ_DATA
REMOVE: Final = LOOK | FilePipePrinterAccessMask.DELETE
WRITE: Final = REMOVE | FilePipePrinterAccessMask.FILE_WRITE_DATA
# In a folder, the right to write data is the right to make files.
CHANGE: Final = READ | FilePipePrinterAccessMask.FILE_WRITE_DATA

OLD: Final = CreateDisposition.FILE_OPEN
NEW: Final = CreateDisposition.FILE_CREATE

ALONE: Final = 0
TOGETHER: Final = 7

FILE_ONLY: Final = CreateOptions.FILE_NON_DIRECTORY_FILE
FOLDER_ONLY: Final = CreateOptions.FILE_DIRECTORY_FILE
# A server that has a lot in its cache writes it all before it answers a flush.
FLUSH_FACTOR: Final = 10


class Handle:
    """What the server has opened for us. All methods raise Refused and Lost."""

    def __init__(self, link: Link, opened: Open) -> None:
        """`opened` is the library's open file."""
        self.link = link
        self.opened = opened

    @property
    def id(self) -> bytes:
        """What the server calls it in requests."""
        return bytes(self.opened.file_id)

    @property
    def size(self) -> int:
        """Bytes, at the moment it was opened."""
        return int(self.opened.end_of_file)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return bool(self._attributes & FOLDER)

    @property
    def _attributes(self) -> int:
        return int(self.opened.file_attributes)

    def refuse_link(self) -> None:
        """Raise Refused, with STOPPED_ON_SYMLINK, if it is a link or junction itself."""
        if self._attributes & LINK:
            raise Refused(Status.STOPPED_ON_SYMLINK)

    def flush(self) -> None:
        """Have the server write all of it to its disk; it may take ten times as long as for other answers."""
        message, _ = self.opened.flush(send=False)
        self.link.ask(message, self.link.channel.seconds * FLUSH_FACTOR)

    def end(self) -> int:
        """Return the size in bytes as the server has it now."""
        found = FileStandardInformation()
        self._query(found)
        with self.link.answers():
            return int(found["end_of_file"].get_value())

    def free(self) -> int:
        """Return the bytes that our user may still store on the volume that this is on."""
        found = FileFsFullSizeInformation()
        self._query(found)
        with self.link.answers():
            units = found["caller_available_units"].get_value() * found["sectors_per_unit"].get_value()
            return int(units * found["bytes_per_sector"].get_value())

    def rename(self, path: str) -> None:
        """Give it another name on the share. Refused with OBJECT_NAME_COLLISION if something has the name."""
        information = FileRenameInformation()
        information["replace_if_exists"] = False
        information["file_name"] = path
        self._set(information)

    def remove(self) -> None:
        """Have it removed when it is closed. Refused with DIRECTORY_NOT_EMPTY for a folder that holds something."""
        information = FileDispositionInformation()
        information["delete_pending"] = True
        self._set(information)

    def listing(self) -> Iterator[Found]:
        """Return everything in the folder, to its end."""
        while True:
            message, _ = self.opened.query_directory(
                "*", FileInformationClass.FILE_DIRECTORY_INFORMATION, flags=0, send=False
            )
            try:
                answer = self.link.ask(message)
            except Refused as error:
                if error.status in {Status.NO_MORE_FILES, Status.NO_SUCH_FILE}:
                    return
                raise
            with self.link.answers():
                response = SMB2QueryDirectoryResponse()
                response.unpack(answer["data"].get_value())
                found = list(parse(response["buffer"].get_value()))
            yield from found

    def close(self) -> None:
        """Close it."""
        with self.link.answers():
            self.opened.close()

    def _query(self, information: FileStandardInformation | FileFsFullSizeInformation) -> None:
        query = SMB2QueryInfoRequest()
        query["info_type"] = information.INFO_TYPE
        query["file_info_class"] = information.INFO_CLASS
        query["output_buffer_length"] = len(information)
        query["file_id"] = self.opened.file_id
        answer = self.link.ask(query)
        with self.link.answers():
            response = SMB2QueryInfoResponse()
            response.unpack(answer["data"].get_value())
            information.unpack(response["buffer"].get_value())

    def _set(self, information: FileRenameInformation | FileDispositionInformation) -> None:
        change = SMB2SetInfoRequest()
        change["info_type"] = information.INFO_TYPE
        change["file_info_class"] = information.INFO_CLASS
        change["file_id"] = self.opened.file_id
        change["buffer"] = information.pack()
        self.link.ask(change)


@contextmanager
def opened(
    link: Link, path: str, access: int, *, disposition: int = OLD, options: int = 0, share: int = TOGETHER
) -> Iterator[Handle]:
    """Open what lies at `path` of the share, and close it at the end. A link is opened itself, never followed."""
    file = Open(link.tree, path)
    with link.answers():
        file.create(
            ImpersonationLevel.Impersonation,
            access,
            0,
            share,
            disposition,
            options | CreateOptions.FILE_OPEN_REPARSE_POINT,
        )
    handle = Handle(link, file)
    try:
        yield handle
    except BaseException:
        # What went wrong is told; that it could not be closed either says nothing more.
        with suppress(Refused, Lost):
            handle.close()
        raise
    handle.close()
