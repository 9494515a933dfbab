"""Messages to chats and a hundred other services, by apprise. Needs `vmbackup[chat]`."""

from vmbackup_notifiers.chat.notifier import Chat, ChatSettings

__all__ = ["Chat", "ChatSettings"]
