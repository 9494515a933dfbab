"""A static site of all that the targets of a configuration hold, for people: `vmbackup site`."""

from vmbackup.website.folder import publish
from vmbackup.website.gathering import gather
from vmbackup.website.holdings import Holdings, Place
from vmbackup.website.pages import pages

__all__ = ["Holdings", "Place", "gather", "pages", "publish"]
