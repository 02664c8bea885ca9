"""The TCP listener of micro stations: messages of HJ 212-2017 in, whole text files out; nothing is interpreted.

It is a process of its own, small (the standard library alone), and optional: the hourly run reads the files it leaves
in a folder as it reads any others, and neither knows of the other.

    bytes -> `frames` (messages, and what is none) -> `server` (queue, answers) -> `spool` (files on disk)
                                                         |-> `counters` (listener.json)
"""

from pipeline.listener.access import networks
from pipeline.listener.frames import Frame, Framer, answer
from pipeline.listener.limits import Limits
from pipeline.listener.server import Listener, listen
from pipeline.listener.spool import Spool

__all__ = ["Frame", "Framer", "Limits", "Listener", "Spool", "answer", "listen", "networks"]
