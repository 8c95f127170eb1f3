"""Profiles: what is remembered of a table's columns, computed in one pass, mergeable across shards and hours.

`Source` says what is profiled; `profile_rows` and `profile_windows` scan it with DuckDB; `Profile.merge` joins shards;
`write_profile` and `read_profile` keep it; `distance` compares a column of two profiles.
"""

from monitoring.profile.compare import Distance, distance, observations
from monitoring.profile.moments import Moments
from monitoring.profile.numbers import Numbers
from monitoring.profile.profile import Column, Profile, read_profile, write_profile
from monitoring.profile.scan import profile_rows, profile_windows
from monitoring.profile.source import Source
from monitoring.profile.tally import Tally

__all__ = [
    "Column",
    "Distance",
    "Moments",
    "Numbers",
    "Profile",
    "Source",
    "Tally",
    "distance",
    "observations",
    "profile_rows",
    "profile_windows",
    "read_profile",
    "write_profile",
]
