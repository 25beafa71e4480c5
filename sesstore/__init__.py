"""sesstore: protein language model embeddings once, structure-aware adapters forever after.

``import sesstore`` brings the notebook's functions (see `sesstore.api`) and loads neither numpy nor
torch; what needs them imports them when it is called.
"""

from .api import OpenStore, Rows, TrainedRun, fit, load_run, open, train  # noqa: A004

__version__ = "0.1.0"

__all__ = ["OpenStore", "Rows", "TrainedRun", "__version__", "fit", "load_run", "open", "train"]
