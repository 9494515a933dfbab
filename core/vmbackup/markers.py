"""The two markers of pluggy under the project's name; apart, so that hookspecs and plugins never need each other."""

import pluggy

hookspec = pluggy.HookspecMarker("vmbackup")
hookimpl = pluggy.HookimplMarker("vmbackup")
