"""What holds for every test."""

from hypothesis import settings

# How fast an example runs says something about the machine and nothing about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
