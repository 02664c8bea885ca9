"""The map page and the answers behind it, over HTTP: read only, one committed version in each reply.

listen (sockets, times) -> guard (who, how much) -> app (routes) -> shelf (versions that are open) -> pipeline.answers
"""

from pipeline.serve.app import create_app
from pipeline.serve.guard import Guard
from pipeline.serve.listen import serve
from pipeline.serve.places import Network
from pipeline.serve.shelf import Shelf

__all__ = ["Guard", "Network", "Shelf", "create_app", "serve"]
