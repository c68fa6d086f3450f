"""Data: readers of text, the bundled sample, splits, and tokens on disk.

    import corpora

    for passage in corpora.read("notes/"):
        ...
    parts = corpora.splits("wikipedia-sample")
    store = corpora.TokenStore.open("tokens/")

Nothing heavy is imported before it is used: a plain text file needs neither gensim nor datasets.
"""

from corpora.errors import UsageError
from corpora.passage import Passage
from corpora.reader import read
from corpora.splits import Splits, splits
from corpora.store import TokenStore, TokenStoreWriter

__all__ = ["Passage", "Splits", "TokenStore", "TokenStoreWriter", "UsageError", "read", "splits"]
