"""Texts as tokens of byte pair encoding: frequent pairs of bytes and of tokens are tokens of their own.

References:
    "Neural Machine Translation of Rare Words with Subword Units" (Sennrich, Haddow and Birch, 2016); over bytes in
    "Language Models are Unsupervised Multitask Learners" (Radford and others, 2019).
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from genzoo.config.settings import Settings
from genzoo.config.tokens import MOST_TOKENS
from genzoo.data.texts.flat import Texts, storage_of
from genzoo.data.texts.symbols import BYTE_END, BYTES, check_bytes
from genzoo.data.transforms.transform import NumberArray, Transform
from genzoo.plugins.registry import MissingExtraError
from genzoo.spec.events import DataSpec, Feature

LONGEST = 64
"""Largest number of bytes of a token."""

_WIDTHS = 4
"""Largest number of widths of blocks of tokens for each width in bytes; compiled code is compiled once for each."""

_BOUND = "it is the probability of one way to write a text in tokens, and other ways have some, too"


class BpeOptions(Settings):
    """Options of byte pair encoding."""

    vocabulary: Annotated[int, Field(ge=257, le=MOST_TOKENS, description="tokens, 256 of them single bytes")] = 1024


class BpeTransform(Transform):
    """Bytes to tokens: the 256 bytes, and merges of two tokens each, learned from the training rows.

    Every text has the tokens that merges in their order give. A model may draw the same text in other tokens, so the
    probability of these alone is a lower bound. Texts are cut after their largest number of bytes.

    Arguments:
        merges: numbers of the two tokens that each merge joins, `(M, 2)` int64. A merge is a token of its own unless an
            earlier one has the same bytes.
        longest: largest number of bytes of a text.
    """

    degrees_of_freedom = None
    bound = _BOUND
    merges: Tensor
    _bytes: Tensor
    _starts: Tensor
    _sizes: Tensor

    def __init__(self, merges: Tensor, longest: int) -> None:
        super().__init__()
        self.register_buffer("merges", merges.long())
        self._longest = longest
        self._derive()
        self.register_load_state_dict_post_hook(_derive_again)  # type: ignore[no-untyped-call]

    def _derive(self) -> None:
        """Derive all else from the merges."""
        self._after: tuple[DataSpec, DataSpec] | None = None
        self._tokenizer: Any = None
        self.tokens = tokens_of(self.merges.tolist())
        sizes = torch.tensor([*map(len, self.tokens), 0])  # the end has none
        flat = torch.from_numpy(np.frombuffer(b"".join(self.tokens), np.uint8).astype(np.int64))
        derived = {"_sizes": sizes, "_starts": sizes.cumsum(0) - sizes, "_bytes": flat}
        for name, values in derived.items():
            self.register_buffer(name, values.to(self.merges.device), persistent=False)

    @classmethod
    def outlines(cls, options: BpeOptions, _: DataSpec) -> dict[str, tuple[int, ...]]:
        return {"merges": (_most_merges(options), 2)}

    @classmethod
    def fit(cls, options: BpeOptions, data: DataSpec, blocks: Iterable[NumberArray]) -> BpeTransform:
        """Learn merges from the training rows. Bytes that are no UTF-8 stay tokens of their own.

        Raises:
            DataError: the data are no texts of bytes.
            MissingExtraError: `tokenizers` is not installed.
        """
        check_bytes(data)
        library = _library()
        tokenizer = _untrained(library, library.models.BPE())
        trainer = library.trainers.BpeTrainer(
            vocab_size=options.vocabulary,
            initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
            max_token_length=LONGEST,
        )
        tokenizer.train_from_iterator(_batches(blocks), trainer)
        letters = {letter: code for code, letter in enumerate(_LETTERS)}
        numbers = {bytes([code]): code for code in range(256)}
        merges = []
        for pair in json.loads(tokenizer.to_str())["model"]["merges"][: _most_merges(options)]:
            first, second = (bytes(letters[letter] for letter in token) for token in pair)
            merges.append((numbers[first], numbers[second]))
            numbers.setdefault(first + second, len(numbers))
        return cls(torch.tensor(merges, dtype=torch.int64).view(-1, 2), data.event_shape[0])

    @classmethod
    def restore(cls, options: BpeOptions, data: DataSpec, tensors: Mapping[str, Tensor]) -> BpeTransform:
        check_bytes(data)
        merges = tensors["merges"]
        if merges.ndim != 2 or merges.shape[1] != 2 or len(merges) > _most_merges(options):
            raise ValueError(f"its merges have the shape {tuple(merges.shape)}")
        tokens = tokens_of(merges.tolist())
        if len(tokens) > options.vocabulary:
            raise ValueError(f"its merges make {len(tokens)} tokens, and its vocabulary has {options.vocabulary}")
        return cls(merges, data.event_shape[0])

    def spec_after(self, data: DataSpec) -> DataSpec:
        if self._after is None or self._after[0] is not data:
            names = tuple("".join(BYTES[code] for code in token) for token in self.tokens)
            features = (Feature("token", "categorical", names),)
            self._after = data, dataclasses.replace(data, features=features, storage=storage_of(len(names)))
        return self._after[1]

    def forward(self, x: Tensor) -> Tensor:
        texts = Texts.of(x.detach().cpu().numpy(), BYTE_END, "The block").one_by_one()
        found, end = self.encode(texts), len(self.tokens)
        step = -(-x.shape[1] // _WIDTHS)
        needed = 1 + max(map(len, found), default=0)
        y = np.full((len(found), min(x.shape[1], -(-needed // step) * step)), end, np.int64)
        for row, numbers in enumerate(found):
            y[row, : len(numbers)] = numbers
        return torch.from_numpy(y).to(x.device, x.dtype)

    def inverse(self, y: Tensor) -> Tensor:
        codes = y.long().clamp(0, len(self.tokens))
        codes = codes.where((codes != len(self.tokens)).cumprod(1).bool(), len(self.tokens))
        sizes = self._sizes[codes]
        starts = sizes.cumsum(1) - sizes
        out = torch.full((len(y), self._longest + 1), BYTE_END, device=y.device)
        rows = torch.arange(len(y), device=y.device)[:, None].expand_as(codes)
        flat = sizes.flatten()
        token, row, start = (part.flatten().repeat_interleave(flat) for part in (codes, rows, starts))
        within = torch.arange(len(token), device=y.device) - (flat.cumsum(0) - flat).repeat_interleave(flat)
        place = (start + within).clamp(max=self._longest)  # what is too long falls into a last column
        out[row, place] = self._bytes[self._starts[token] + within]
        return out[:, :-1].to(y.dtype)

    def log_det(self, x: Tensor, without: Tensor | None = None) -> Tensor:
        return torch.zeros(len(x), device=x.device, dtype=x.dtype if x.is_floating_point() else self.dtype)

    def each_symbol(self, x: Tensor, y: Tensor, end: int) -> tuple[Tensor, Tensor]:
        sizes = self._sizes[y.long()]
        return sizes, torch.zeros(sizes.shape, device=x.device, dtype=x.dtype if x.is_floating_point() else self.dtype)

    def encode(self, texts: Sequence[bytes]) -> list[list[int]]:
        """Return the numbers of the tokens of texts. Each byte of a text that is no UTF-8 is a token.

        Raises:
            MissingExtraError: `tokenizers` is not installed.
        """
        if self._tokenizer is None:
            self._tokenizer = _with_merges(self.tokens, self.merges.tolist())
        strings = [_decoded(text) for text in texts]
        given = [string for string in strings if string is not None]
        found = iter(self._tokenizer.encode_batch_fast(given, add_special_tokens=False))
        pairs = zip(texts, strings, strict=True)
        return [list(text) if string is None else next(found).ids for text, string in pairs]


def _derive_again(module: BpeTransform, _: object) -> None:
    """Follow merges that were loaded: another version of the library may have learned others."""
    module._derive()


def tokens_of(merges: Iterable[Sequence[int]]) -> list[bytes]:
    """Return the bytes of all tokens: the 256 bytes, then merges, each once.

    Raises:
        ValueError: a merge joins tokens that are not there before it, or its bytes are too many.
    """
    tokens = [bytes([code]) for code in range(256)]
    known = set(tokens)
    for number, (first, second) in enumerate(merges):
        if not (0 <= first < len(tokens) and 0 <= second < len(tokens)):
            raise ValueError(f"merge {number} joins tokens {first} and {second}, and {len(tokens)} come before it")
        joined = tokens[first] + tokens[second]
        if len(joined) > LONGEST:
            raise ValueError(f"merge {number} has {len(joined)} bytes, and a token has at most {LONGEST}")
        if joined not in known:
            known.add(joined)
            tokens.append(joined)
    return tokens


def _most_merges(options: BpeOptions) -> int:
    """Return the largest number of merges: a few make bytes that an earlier one has made of other tokens."""
    return 2 * (options.vocabulary - 256)


def _letters() -> list[str]:
    """Return the letter that the library writes for each byte: itself if it is printed, or else the next free one."""
    kept = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = itertools.count(0x100)
    return [chr(code if code in kept else next(others)) for code in range(256)]


_LETTERS = _letters()


def _library() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise MissingExtraError(
            "Tokens of BPE need the package tokenizers, which is not installed: pip install 'genzoo[text]'. Or use "
            "characters: tokens=characters."
        ) from error
    return tokenizers


def _untrained(library: Any, model: Any) -> Any:
    tokenizer = library.Tokenizer(model)
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def _with_merges(tokens: Sequence[bytes], merges: Iterable[Sequence[int]]) -> Any:
    """Return a tokenizer of the library with such merges."""
    library = _library()
    names = ["".join(_LETTERS[code] for code in token) for token in tokens]
    pairs = [(names[first], names[second]) for first, second in merges]
    vocabulary = {name: number for number, name in enumerate(names)}
    return _untrained(library, library.models.BPE(vocab=vocabulary, merges=pairs))


def _batches(blocks: Iterable[NumberArray]) -> Iterator[list[str]]:
    """Yield the texts of blocks, as the library trains on them."""
    for block in blocks:
        texts = map(_decoded, Texts.of(np.asarray(block), BYTE_END, "The block").one_by_one())
        yield [text for text in texts if text]


def _decoded(text: bytes) -> str | None:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return None
