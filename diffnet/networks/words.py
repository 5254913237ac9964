"""Text for a network: a small transformer over word numbers, trained with the network itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

HEADS, LAYERS, LONGEST = 4, 2, 256


class TextEncoder(nn.Module):
    """text (B, L) to tokens (B, L + 1, width), which of them are words (B, L + 1), and their sum
    in one vector (B, vector).

    Word numbers are 0 .. words - 1; 0 is no word. Where `given` is not 0, text is (B, L, given),
    vectors of a pretrained encoder, and one of zeros is no word. A learned token stands before the
    words and is all there is where no text is given; its output is the vector (Vaswani et al.,
    2017, arXiv:1706.03762; the first token as in Devlin et al., 2019, arXiv:1810.04805).
    """

    def __init__(self, words: int, vector: int, given: int = 0, width: int = 64) -> None:
        super().__init__()
        self.words, self.given, self.width = words, given, width
        self.table = nn.Linear(given, width) if given else nn.Embedding(words, width)
        self.first = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.places = nn.Parameter(0.02 * torch.randn(1, LONGEST + 1, width))
        self.layers = nn.ModuleList(Layer(width) for _ in range(LAYERS))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, vector)

    def forward(self, batch: int, text: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        if text is None:
            empty = {"size": (batch, 1, self.given)} if self.given else {"size": (batch, 1)}
            kind = self.first.dtype if self.given else torch.long
            text = torch.zeros(**empty, dtype=kind, device=self.first.device)
        self._refuse(batch, text)
        words = (text != 0).any(2) if self.given else text > 0
        there = torch.cat([torch.ones_like(words[:, :1]), words], 1)
        h = torch.cat([self.first.expand(batch, -1, -1), self.table(text)], 1)
        h = h + self.places[:, : h.shape[1]]
        for layer in self.layers:
            h = layer(h, there)
        h = self.norm(h)
        return h, there, self.out(h[:, 0])

    def _refuse(self, batch: int, text: Tensor) -> None:
        vectors = (self.given,) if self.given else ()
        fits = text.ndim == 2 + len(vectors) and tuple(text.shape[2:]) == vectors
        if not fits or len(text) != batch or text.shape[1] > LONGEST:
            what = f"L, {self.given}) vectors" if self.given else "L) word numbers"
            raise ValueError(
                f"text has shape {tuple(text.shape)}; expected ({batch}, {what}, L at most "
                f"{LONGEST}"
            )


class Layer(nn.Module):
    """Self-attention and two layers, each added to what came in; padding is not looked at."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.two = nn.Sequential(
            nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        parts = self.query_key_value(self.norm_1(x)).unflatten(2, (3, HEADS, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        seen = nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=there[:, None, None]
        )
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        return x + self.two(self.norm_2(x))


def with_words(
    embedding: Tensor, encoder: TextEncoder | None, text: Tensor | None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The embedding (B, width) with the text in it, and the text's tokens and which of them are
    there, for attention; no tokens without an encoder.

    Raises ValueError for a text where there is no encoder.
    """
    if encoder is None:
        if text is not None:
            raise ValueError(
                "text was given, but this network knows no words: build it with words=N, or "
                "leave the text out."
            )
        return embedding, ()
    tokens, there, vector = encoder(len(embedding), text)
    return embedding + vector.to(embedding.dtype), (tokens, there)
