"""What is seen of a run while it goes on: kept on a board, shown as a picture, and sent to who attaches."""

from vmbackup.live.attach import attached, last_ended, under_way
from vmbackup.live.board import Board
from vmbackup.live.broadcast import Broadcast
from vmbackup.live.picture import Picture, Row, State

__all__ = ["Board", "Broadcast", "Picture", "Row", "State", "attached", "last_ended", "under_way"]
