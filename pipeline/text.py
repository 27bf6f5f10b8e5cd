"""Text ↔ token ids, with each token's place in the original text.

Words are lower-cased; characters of scripts written without blanks stand alone; HTML line
breaks count as blanks. Id 0 is padding, id 1 an unknown word.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import models, normalizers, pre_tokenizers, trainers

PAD, UNKNOWN = "[PAD]", "[UNK]"
PAD_ID, UNKNOWN_ID = 0, 1

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
# A character of an unspaced script, or a word with its inner apostrophes, or one symbol.
_TOKEN = rf"[{_UNSPACED}]|[\w&&[^{_UNSPACED}]]+(?:['’][\w&&[^{_UNSPACED}]]+)*|[^\w\s]"
_LINE_BREAK = r"(?i:<br\s*/?>)"


class Encoded(NamedTuple):
    """One text as tokens.

    Attributes:
        ids: <int32>[length], never empty.
        spans: <int32>[length, 2], first character and the one after the last.
        total: number of tokens before truncation.
    """

    ids: NDArray[np.int32]
    spans: NDArray[np.int32]
    total: int


class Tokenizer:
    """A trained vocabulary and the rule that splits text into its words."""

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        self._tokenizer = tokenizer

    @property
    def size(self) -> int:
        """Number of ids, padding and the unknown word included."""
        return self._tokenizer.get_vocab_size()

    def to_json(self) -> str:
        """The tokenizer as JSON, which `load` reads."""
        return self._tokenizer.to_str(pretty=False)

    def encode(self, texts: Sequence[str], *, max_len: int) -> list[Encoded]:
        """Encode texts, each truncated to its first `max_len` tokens.

        A text without any token becomes the single unknown word, for no row may be empty.
        """
        rows = []
        for encoding in self._tokenizer.encode_batch(texts, add_special_tokens=False):
            total = len(encoding)
            if total > max_len:
                encoding.truncate(max_len)
            ids = encoding.ids or [UNKNOWN_ID]
            spans = encoding.offsets or [(0, 0)]
            rows.append(Encoded(np.array(ids, np.int32), np.array(spans, np.int32), total))
        return rows


def train(texts: Iterable[str], *, vocabulary: int) -> Tokenizer:
    """Learn the `vocabulary` most frequent words of `texts`, in the order (-count, word)."""
    tokenizer = tokenizers.Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(tokenizers.Regex(_LINE_BREAK), " "),
            normalizers.NFC(),
            normalizers.Lowercase(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(
        tokenizers.Regex(_TOKEN), behavior="removed", invert=True
    )
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocabulary, special_tokens=[PAD, UNKNOWN], show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return Tokenizer(tokenizer)


def load(json: str) -> Tokenizer:
    """Read what `Tokenizer.to_json` wrote."""
    return Tokenizer(tokenizers.Tokenizer.from_str(json))
