"""Converting text to token ids, with each token's position in the original text.

Tokens are words (single characters in scripts written without spaces), or pieces of words from
byte-pair encoding. Letters are lowercased, and HTML line breaks count as spaces. Id 0 is padding,
id 1 an unknown word.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import models, normalizers, pre_tokenizers, processors, trainers

from pipeline.core.texts import LINE_BREAK

PAD, UNKNOWN = "[PAD]", "[UNK]"
PAD_ID, UNKNOWN_ID = 0, 1

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
# A character of an unspaced script, a word with its inner apostrophes, or a symbol.
_TOKEN = rf"[{_UNSPACED}]|[\w&&[^{_UNSPACED}]]+(?:['’][\w&&[^{_UNSPACED}]]+)*|[^\w\s]"


Keep = Literal["head", "tail", "both"]


class Encoded(NamedTuple):
    """One text as tokens.

    Attributes:
        ids: <int32>[length], never empty.
        spans: <int32>[length, 2], the first character and the one after the last; <int32>[0, 2]
            where nobody asked for them.
        total: number of tokens before truncation.
    """

    ids: NDArray[np.int32]
    spans: NDArray[np.int32]
    total: int


class Tokenizer:
    """A trained vocabulary and the rule that splits text into tokens."""

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        # A text that says [PAD] or [UNK] is read as any other. Its JSON doesn't keep this.
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer

    @property
    def size(self) -> int:
        """Number of ids, including padding and the unknown word."""
        return self._tokenizer.get_vocab_size()

    def to_json(self) -> str:
        """The tokenizer as JSON, which `load_tokenizer` reads."""
        return self._tokenizer.to_str(pretty=False)

    def encode(
        self, texts: Sequence[str], *, max_len: int, keep: Keep = "head", spans: bool = True
    ) -> list[Encoded]:
        """Encode texts, each truncated to `max_len` tokens: its first, its last, or half of each.

        A text without tokens becomes a single unknown word, since no row may be empty. Without
        spans, it takes two thirds of the time.
        """
        encode = self._tokenizer.encode_batch if spans else self._tokenizer.encode_batch_fast
        rows = []
        for encoding in encode(texts, add_special_tokens=False):
            total = len(encoding)
            first = {"head": max_len, "tail": 0, "both": max_len - max_len // 2}[keep]
            left_out = slice(first, first + max(0, total - max_len))
            ids = encoding.ids or [UNKNOWN_ID]
            places = (encoding.offsets or [(0, 0)]) if spans else []
            del ids[left_out], places[left_out]
            of_ids = np.array(places, np.int32).reshape(-1, 2)
            rows.append(Encoded(np.array(ids, np.int32), of_ids, total))
        return rows


def train_tokenizer(
    texts: Iterable[str], *, vocabulary: int, tokenizer: Literal["words", "bpe"] = "words"
) -> Tokenizer:
    """Learn a vocabulary from texts.

    Args:
        texts: the training texts only.
        vocabulary: its maximum size, including padding and the unknown word; "bpe" has at least
            the 256 bytes.
        tokenizer: "words": the most frequent words, in the order (-count, word). "bpe": bytes,
            and pieces made by merging the most frequent neighbors within a word, or within
            contiguous text of a script without spaces (Sennrich et al. 2016, on bytes as in
            GPT-2); it can encode every text, so no token is unknown.
    """
    made = (_words if tokenizer == "words" else _byte_pairs)(texts, vocabulary)
    return Tokenizer(made)


def _words(texts: Iterable[str], vocabulary: int) -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    made.normalizer = normalizers.Sequence(_normalizers())
    made.pre_tokenizer = pre_tokenizers.Split(
        tokenizers.Regex(_TOKEN), behavior="removed", invert=True
    )
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocabulary, special_tokens=[PAD, UNKNOWN], show_progress=False
    )
    made.train_from_iterator(texts, trainer)
    return made


def _byte_pairs(texts: Iterable[str], vocabulary: int) -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(models.BPE())
    # A single space belongs to the word after it; further ones would become tokens.
    single = normalizers.Replace(tokenizers.Regex(r"\s+"), " ")
    made.normalizer = normalizers.Sequence([*_normalizers(), single, normalizers.Strip()])
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.post_processor = processors.ByteLevel(trim_offsets=True)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, UNKNOWN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    return made


def _normalizers() -> list[normalizers.Normalizer]:
    return [
        normalizers.Replace(tokenizers.Regex(LINE_BREAK), " "),
        normalizers.NFC(),
        normalizers.Lowercase(),
    ]


def load_tokenizer(json: str) -> Tokenizer:
    """Read what `Tokenizer.to_json` wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        return Tokenizer(tokenizers.Tokenizer.from_str(json))
    except Exception as error:  # the library has no class of its own
        raise ValueError(f"no tokenizer: {error}") from None
