"""A model without its text encoder."""

from __future__ import annotations

from torch import Tensor, nn


class EncodedElsewhere(nn.Module):
    """Stands where a `TextEncoder` would, in a process that gets the vectors of texts from somewhere else.

    A server whose runtime holds the weights is spared a second copy of them and the library that would run it:
    a quarter of a gigabyte.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, tokens_UT: Tensor, mask_UT: Tensor) -> Tensor:
        """Never called: whoever made this asks elsewhere."""
        raise AssertionError("this process loaded the checkpoint without its encoder")

    def copy_of_top(self, layers: int) -> nn.ModuleList:
        """None of them is here."""
        return nn.ModuleList()

    def with_top(self, top: nn.ModuleList) -> EncodedElsewhere:
        """The same: its layers are elsewhere, too."""
        return self

    def merge_adapter(self) -> None:
        """There is none."""
