"""BLEU of any selection of sentences, from what is counted in each of them once.

counts = BleuCounts(translations, references)
counts.score()                          # of all of them, as sacreBLEU's
counts.score([2, 0, 1])                 # of the first one twice and the third: what a
                                        # bootstrap draws (Koehn 2004)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from corpora.errors import UsageError
from nlp.core.translation.translation_scores import require


class BleuCounts:
    """What BLEU (Papineni et al. 2002) counts in sentences, one reference each.

    `signature` is sacreBLEU's. Raises UsageError where there are not as many references as
    translations, or none, and where sacrebleu is not installed.
    """

    def __init__(self, translations: Sequence[str], references: Sequence[str]) -> None:
        if len(translations) != len(references) or not translations:
            raise UsageError(
                f"{len(translations):,} translations and {len(references):,} references: expected "
                "one reference for each translation, and one translation or more"
            )
        self._bleu = require().BLEU()
        rows = []
        for pair in zip(translations, references, strict=True):
            found = self._bleu.corpus_score([pair[0]], [[pair[1]]])
            rows.append([found.sys_len, found.ref_len, *found.counts, *found.totals])
        self._rows = np.array(rows)  # [sentences, 2 + 2 * longest n-gram]
        self.signature = str(self._bleu.get_signature())

    def score(self, times: Sequence[float] | np.ndarray | None = None) -> float:
        """BLEU, 0 to 100, where each sentence is there so many times; None is once."""
        rows = self._rows.sum(0) if times is None else np.asarray(times) @ self._rows
        own, reference, *grams = (int(count) for count in rows)
        order = len(grams) // 2
        found = self._bleu.compute_bleu(
            correct=grams[:order],
            total=grams[order:],
            sys_len=own,
            ref_len=reference,
            smooth_method=self._bleu.smooth_method,
            smooth_value=self._bleu.smooth_value,
        )
        return float(found.score)
