"""Stores that travel: push, pull, merge and serve, every byte checked on arrival.

What is shared is a *published* store, a set of files that never change once they are there::

    share/index.json                      what there is: names, sizes and hashes (the only file that
                                          is replaced; found without listing anything)
    share/commits/<name>                  what was added since, each a small index written once by
                                          a writer of its own; `commits.fold` takes them in
    share/bundles/<sha256>                proteins, ids and tokens, see `bundles`
    share/tasks/<sha256>                  task files
    share/sums/<segment>                  a hash of each protein's rows, for range reads
    embeddings/<encoder>/<segment>/...    segments, as they are in a store

LMDB files never travel: pages of a database are not to be trusted. Their records do, in bundles,
and enter the other store through the same checks as new ones.
"""
