"""The logs of the platform, each read since its cursor: files, pods and events, CloudWatch log groups.

Nobody's line is kept here. Each reader hands lines on to a `Take`, bounded in bytes and time, and says how far it got;
whoever called keeps that (`cursor`) once what was made of the lines is safe.
"""

from systems.logs.cursor import move_cursor, read_cursor
from systems.logs.files import read_files
from systems.logs.groups import read_groups
from systems.logs.pods import read_cluster

__all__ = ["move_cursor", "read_cluster", "read_cursor", "read_files", "read_groups"]
