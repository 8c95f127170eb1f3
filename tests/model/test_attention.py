import pytest
import torch
from fixtures.tiny_encoder import write_tiny_encoder
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from polymart.model.attention import attend
from polymart.model.encoder import TextEncoder


def inputs(dtype: torch.dtype) -> list[Tensor]:
    torch.manual_seed(3)
    return [torch.randn(4, 2, 7, 8, dtype=dtype).requires_grad_() for _ in range(3)]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 2e-2), (torch.float32, 1e-6)])
@pytest.mark.parametrize("padded", [True, False])
def test_values_and_gradients_are_those_of_the_fused_kernel(dtype, tolerance, padded):
    mask = (torch.arange(7) < torch.tensor([7, 5, 1, 3])[:, None])[:, None, None, :] if padded else None
    ours, theirs = inputs(dtype), inputs(torch.float32)
    for one, other in zip(ours, theirs, strict=True):
        other.data = one.data.float()
    layer = torch.nn.Module()
    layer.is_causal = False  # as every layer of an encoder says of itself
    found = attend(layer, *ours, mask)[0]
    expected = scaled_dot_product_attention(*theirs, attn_mask=mask).transpose(1, 2)
    torch.testing.assert_close(found.float(), expected, rtol=tolerance, atol=tolerance)
    found.float().square().sum().backward()
    expected.square().sum().backward()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad.float(), other.grad, rtol=5 * tolerance, atol=5 * tolerance)


def test_a_text_alone_gets_the_vector_that_it_gets_beside_longer_ones(tmp_path):
    encoder = TextEncoder.from_pretrained(write_tiny_encoder(tmp_path), 6).eval()
    tokens = torch.tensor([[2, 5, 3, 0, 0], [2, 6, 7, 8, 3]])
    mask = (tokens != 0).long()
    with torch.autocast("cpu", torch.bfloat16):
        together, alone = encoder(tokens, mask)[0], encoder(tokens[:1, :3], mask[:1, :3])[0]
    assert together.requires_grad  # otherwise this would be the fused kernel
    torch.testing.assert_close(together.float(), alone.float(), rtol=3e-2, atol=3e-2)
