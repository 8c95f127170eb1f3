"""One shared encoder, one head per task; one shared image tower where a task has pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from torch import Tensor, nn

from polymart.config import Task
from polymart.model.batch import Batch
from polymart.model.heads import TaskHead
from polymart.model.image import ImageTower
from polymart.model.retrieval import RetrievalHead
from polymart.model.statistics import InputStatistics
from polymart.tasks import kind_of

if TYPE_CHECKING:
    from polymart.model.encoder import TextEncoder  # transformers take seconds and 150 MB, which a server can spare

Head = TaskHead | RetrievalHead


class MultiTaskModel(nn.Module):
    """All heads on one `TextEncoder`; each batch belongs to one task.

    A task may have the encoder's top layers for itself (``own_layers``): they are its branch.

    Args:
        encoder: the shared text encoder.
        heads: by task.
        image: the shared image tower.
        branches: the top layers of the tasks that share only what lies below.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        heads: Mapping[str, Head],
        image: ImageTower | None = None,
        branches: Mapping[str, nn.ModuleList] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.image = image
        self.heads = nn.ModuleDict(heads)
        self.branches = nn.ModuleDict(branches)
        # Views, not parts: what they share with the encoder would stand twice among the weights.
        self._views = {task: encoder.with_top(top) for task, top in branches.items()}

    @classmethod
    def build(
        cls,
        encoder: TextEncoder,
        tasks: list[Task],
        statistics: Mapping[str, InputStatistics],
        labels: Mapping[str, list[str] | None],
        image: ImageTower | None = None,
    ) -> MultiTaskModel:
        """A model with fresh heads for ``tasks``.

        Args:
            encoder: the shared text encoder.
            tasks: the tasks to be learned.
            statistics: what was fitted on the training rows of each task.
            labels: label map of each task.
            image: the shared image tower; a task with pictures gets a fresh one where none is given.
        """
        heads = {task.name: _head(task, statistics[task.name], encoder.width, labels[task.name]) for task in tasks}
        if image is None and any(task.inputs.image for task in tasks):
            image = ImageTower(encoder.width)
        branches = {task.name: encoder.copy_of_top(task.own_layers) for task in tasks if task.own_layers}
        return cls(encoder, heads, image, branches)

    def encoder_of(self, task: str | None) -> TextEncoder:
        """The encoder as ``task`` reads texts: the shared one (None), or that with the task's own layers on top."""
        return self._views.get(task or "", self.encoder)

    def use_encoder(self, encoder: nn.Module, task: str | None = None) -> None:
        """Put ``encoder`` where the shared one stood, or the view that ``task`` has with its own layers."""
        if task is None:
            self.encoder = encoder  # type: ignore[assignment]
        else:
            self._views[task] = encoder  # type: ignore[assignment]

    def own_parameters(self, task: str) -> Iterator[nn.Parameter]:
        """What no other task trains: the head's, and those of the task's own layers."""
        yield from self.heads[task].parameters()
        if task in self.branches:
            yield from self.branches[task].parameters()

    def encode(self, task: str, batch: Batch) -> Tensor | None:
        """Vectors of the batch's unique texts as ``task`` reads them, shape (U, D)."""
        return None if batch.tokens_UT is None else self.encoder_of(task)(batch.tokens_UT, batch.mask_UT)

    def forward(self, task: str, batch: Batch, text_UD: Tensor | None = None) -> Tensor:
        """Raw outputs of one task's head, shape (B, O); of a retrieval task those of the batch's M candidates.

        Args:
            task: name of the head.
            batch: inputs of B examples of that task.
            text_UD: vectors already made by `encode` (several heads can share one pass).
        """
        if text_UD is None:
            text_UD = self.encode(task, batch)
        text_BD, pair_BD = _texts_of(text_UD, batch.text_index_B), _texts_of(text_UD, batch.pair_index_B)
        if batch.item_tokens_VT is not None:
            return self.heads[task](batch, text_BD, self.encoder_of(task)(batch.item_tokens_VT, batch.item_mask_VT))
        image_BD = None if self.image is None or batch.image_BCHW is None else self.image(batch.image_BCHW)
        return self.heads[task](batch, text_BD, pair_BD, image_BD)

    def head(self, task: str) -> Head:
        """The head of ``task``."""
        head = self.heads[task]
        assert isinstance(head, TaskHead | RetrievalHead)
        return head


def _texts_of(text_UD: Tensor | None, index_B: Tensor | None) -> Tensor | None:
    # Unlike plain indexing, index_select sums its gradient in a fixed order on several threads.
    return None if text_UD is None or index_B is None else text_UD.index_select(0, index_B)


def _head(task: Task, statistics: InputStatistics, text_width: int, labels: list[str] | None) -> Head:
    if task.kind == "retrieval":
        return RetrievalHead(task.inputs, statistics, text_width)
    return TaskHead(task.inputs, statistics, text_width, kind_of(task.kind).num_outputs(labels))
