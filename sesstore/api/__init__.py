"""The library from a notebook: open a store, fill it, train, predict.

A thin layer over `jobs`: every method is one job, with the command line's defaults. Importing it
costs nothing; each method imports what it needs, so torch is loaded when something is embedded,
trained or predicted, and not before.

::

    import sesstore

    store = sesstore.open("store")
    store.add("deeploc_binary", data="DIR", source="alphafold2")
    store.embed("near")
    run = sesstore.train(store, "deeploc_binary", epochs=5)
    run.predict(["MKTAYIAKQR"])

    run = sesstore.fit("mydata.csv", store)  # all of it in one
"""

from .fitting import fit
from .html_tables import Rows
from .runs import TrainedRun, load_run, train
from .stores import OpenStore, open  # noqa: A004 - reads as sesstore.open(...)

__all__ = ["OpenStore", "Rows", "TrainedRun", "fit", "load_run", "open", "train"]
