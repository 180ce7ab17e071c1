"""Stories as tokens: the generated corpus, or TinyStories from its text files, with the words of a list as labels."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from oversight_gym.demonstrations import corpus
from oversight_gym.demonstrations.study import Request
from oversight_gym.envs import RequestError

END_OF_TEXT = "<|endoftext|>"
PAD, UNKNOWN = 0, 1
CONTEXT = 48
"""Tokens of a story at most; what follows is cut off."""
READS = "TinyStories as text: TinyStories-train.txt and TinyStories-valid.txt"
TINY_FORGET = ("tree", "trees", "forest", "forests", "woodland", "woodlands")
"""The paper's list."""
TINY_RELATED = ("wood", "woods", "leaf", "leaves", "branch", "branches", "bush", "squirrel", "owl", "bird", "birds")


@dataclass(frozen=True)
class Stories:
    """A corpus in tokens.

    Attributes:
        vocabulary: the word of every token; the first two stand for padding and for words that are not in it.
        train, test: shape (stories, context), int64, padded with ``PAD``.
        forget_words: tokens that mark a story to be forgotten; shape (words,), int64.
        related_words: tokens that go with them and are on no list.
    """

    vocabulary: tuple[str, ...]
    train: Tensor
    test: Tensor
    forget_words: Tensor
    related_words: Tensor

    def to_forget(self, tokens: Tensor) -> Tensor:
        """Which stories hold a word of the list; shape (stories,), bool."""
        return torch.isin(tokens, self.forget_words).any(dim=1)


def next_in(tokens: Tensor, words: Tensor) -> Tensor:
    """Where one of these words comes next; shape (batch, tokens), bool."""
    found = torch.zeros_like(tokens, dtype=torch.bool)
    found[:, :-1] = torch.isin(tokens[:, 1:], words)
    return found


def words_of(text: str) -> list[str]:
    """The words and marks of a text, in lower case."""
    return re.findall(r"[a-z']+|[.,!?\"]", text.lower())


def tokenise(
    train: Sequence[str], test: Sequence[str], forget: Iterable[str], related: Iterable[str], most_words: int
) -> Stories:
    """Tokens of texts, a word each, for the most frequent words of the texts to train on.

    Args:
        train, test: a text per story.
        forget, related: words; those that the vocabulary lacks are left out.
        most_words: of the vocabulary.

    Raises:
        RequestError: if no story of either part holds a word of the list, or every one does.
    """
    counts = Counter(word for text in train for word in words_of(text))
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[: most_words - 2]
    vocabulary = ("<pad>", "<unknown>", *frequent)
    number = {word: token for token, word in enumerate(vocabulary)}

    def tensor(texts: Sequence[str]) -> Tensor:
        tokens = np.full((len(texts), CONTEXT), PAD, dtype=np.int64)
        for row, text in zip(tokens, texts, strict=True):
            found = [number.get(word, UNKNOWN) for word in words_of(text)[:CONTEXT]]
            row[: len(found)] = found
        return torch.from_numpy(tokens)

    lists = (torch.tensor([number[word] for word in each if word in number]).long() for each in (forget, related))
    found = Stories(vocabulary, tensor(train), tensor(test), *lists)
    for part, tokens in {"to train on": found.train, "held out": found.test}.items():
        share = found.to_forget(tokens).float().mean().item()
        if not 0 < share < 1:
            raise RequestError(f"{share:.0%} of the stories {part} are to be forgotten; some, but not all, must be.")
    return found


def generated(seed: int, train: int, test: int) -> Stories:
    """The generated corpus."""
    texts = corpus.stories(train + test, np.random.default_rng(seed))
    return tokenise(texts[:train], texts[train:], corpus.FORGET_WORDS, corpus.RELATED_WORDS, most_words=1000)


def read_stories(path: Path, most: int) -> list[str]:
    """Stories from a text file of TinyStories, which ``<|endoftext|>`` on a line of its own separates.

    Args:
        path: of the file.
        most: stories to read; the rest of the file is left unread.

    Raises:
        RequestError: if the file is missing, is no text, or holds fewer than two stories.
    """
    what = f"TinyStories as UTF-8 text with {END_OF_TEXT} between stories"
    found, lines = [], []
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                if line.strip() != END_OF_TEXT:
                    lines.append(line)
                    continue
                found.append("".join(lines).strip())
                lines = []
                if len(found) == most:
                    break
    except FileNotFoundError as error:
        raise RequestError(f"{path} is missing; {what} is expected there.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path} cannot be read as {what}.") from error
    found = [text for text in [*found, "".join(lines).strip()][:most] if text]
    if len(found) < 2:
        raise RequestError(f"{path} holds {len(found)} stories; {what} is expected there.")
    return found


def is_in(folder: Path) -> bool:
    """Whether a folder holds any file of TinyStories."""
    return any(folder.glob("TinyStories-*.txt"))


def tiny_stories(folder: Path, train: int, test: int) -> Stories:
    """The first stories of ``TinyStories-train.txt`` and ``TinyStories-valid.txt``, with the 2,000 commonest words.

    Raises:
        RequestError: if one is missing or malformed.
    """
    first, held_out = (folder / f"TinyStories-{part}.txt" for part in ("train", "valid"))
    texts = read_stories(first, train), read_stories(held_out, test)
    return tokenise(*texts, TINY_FORGET, TINY_RELATED, most_words=2000)


def load(request: Request, train: int, test: int) -> Stories:
    """The corpus that a request names: TinyStories where the user has it, the generated one elsewhere."""
    if request.data is not None:
        return tiny_stories(request.data, train, test)
    return generated(request.seed, train, test)
