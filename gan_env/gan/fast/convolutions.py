"""Convolutions with one kernel per row, and resampling, differentiable any number of times.

`down` is `conv2d` with a 4 x 4 kernel, stride 2 and padding 1, `up` is `conv_transpose2d` with the same (Radford et al.
2016, arXiv:1511.06434). Together with the kernel's gradient they are three bilinear maps, and the derivatives of each
are the other two: so the double backward of R1 is three convolutions, not autograd's general one. Many rows are one
batched matrix product of pixels' neighbourhoods, and so is one row of small images on a CPU; any other is a convolution
of the library. Where images are so small that a neighbourhood is nearly the whole of them, the kernel is written out as
the matrix of the linear map instead (`_matrix`): that is done once, and not for every batch that passes.

`conv` keeps the side. It is left to autograd, whose double backward costs no more at stride one.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, pad

from gan_env.gan.fast.products import Map, bilinear, product

KERNEL = 4
FEW_CHANNELS = 8  # to fewer channels oneDNN's transposed convolution is slower than a plain product
SMALL = 4  # pixels of the larger side up to which kernels of many rows are written out
FEW_NUMBERS, FEW_PIXELS = 2**15, 16**2  # of one row's larger images up to which a product is the faster on a CPU
_GEOMETRY = ([2, 2], [1, 1], [1, 1], False, [0, 0], 1)  # stride, padding, dilation, transposed, output padding, groups


def conv(x: Tensor, kernel: Tensor, groups: int = 1) -> Tensor:
    """Keeps the side: x [N, B, C, H, W], kernel [N, O, C / groups, k, k] with odd k -> [N, B, O, H, W]."""
    rows, padding = len(x), kernel.shape[-1] // 2
    if rows == 1:
        return conv2d(x[0], kernel[0], padding=padding, groups=groups)[None]
    y = conv2d(x.transpose(0, 1).flatten(1, 2), kernel.flatten(0, 1), padding=padding, groups=rows * groups)
    return y.view(x.shape[1], rows, -1, *y.shape[2:]).transpose(0, 1)


def nearest_up(x: Tensor) -> Tensor:
    """Doubles the side by repeating pixels: [..., h, w] -> [..., 2h, 2w]."""
    height, width = x.shape[-2:]
    x = x[..., :, None, :, None].expand(*x.shape[:-1], 2, width, 2)
    return x.reshape(*x.shape[:-4], 2 * height, 2 * width)


def pool(x: Tensor) -> Tensor:
    """Halves the side by the mean of 2 x 2 pixels: [..., 2h, 2w] -> [..., h, w]."""
    height, width = x.shape[-2:]
    return x.reshape(*x.shape[:-2], height // 2, 2, width // 2, 2).mean(dim=(-3, -1))


def bilinear_up(x: Tensor) -> Tensor:
    """Doubles the side by bilinear interpolation: [..., h, w] -> [..., 2h, 2w]."""
    return _interpolation(x, x.shape[-2]) @ x @ _interpolation(x, x.shape[-1]).mT


def bilinear_down(x: Tensor) -> Tensor:
    """Halves the side, the adjoint of `bilinear_up` scaled to keep the mean: [..., 2h, 2w] -> [..., h, w]."""
    return _interpolation(x, x.shape[-2] // 2).mT @ x @ _interpolation(x, x.shape[-1] // 2) / 4


def _interpolation(x: Tensor, size: int) -> Tensor:
    """Weights [2 size, size] of the pixels, their centres at half numbers, that a doubled line is interpolated from."""
    pixel = torch.arange(size, dtype=x.dtype, device=x.device)
    place = (torch.arange(2 * size, dtype=x.dtype, device=x.device) / 2 - 0.25).clamp(0, size - 1)
    return (1 - (place[:, None] - pixel).abs()).clamp(min=0)


def down(x: Tensor, kernel: Tensor) -> Tensor:
    """Halves the side: x [N, B, C, 2h, 2w], kernel [N, O, C, 4, 4] -> [N, B, O, h, w]."""
    height, width = x.shape[3] // 2, x.shape[4] // 2
    if not _is_written_out(kernel, max(x.shape[3:])):
        return _convolve(x, kernel)
    return product(x.flatten(2), _matrix(kernel, height, width).mT.contiguous()).view(*x.shape[:2], -1, height, width)


def up(y: Tensor, kernel: Tensor) -> Tensor:
    """Doubles the side: y [N, B, O, h, w], kernel [N, O, C, 4, 4] -> [N, B, C, 2h, 2w]."""
    height, width = y.shape[3:]
    if not _is_written_out(kernel, 2 * max(height, width)):
        return _convolve_back(y, kernel)
    return product(y.flatten(2), _matrix(kernel, height, width)).view(*y.shape[:2], -1, 2 * height, 2 * width)


def _is_written_out(kernel: Tensor, side: int) -> bool:
    """One row, and few channels, are faster as products of neighbourhoods."""
    return len(kernel) > 1 and side <= SMALL and kernel.shape[2] >= FEW_CHANNELS


def _matrix(kernel: Tensor, height: int, width: int) -> Tensor:
    """What every pixel of the larger image counts for every one of the smaller: [N, O*h*w, C*4*h*w]."""
    taps = torch.einsum("apr,bqs->abpqrs", _taps(kernel, height), _taps(kernel, width))
    written: Tensor = kernel.flatten(3) @ taps.flatten(2).flatten(0, 1)
    written = written.unflatten(3, taps.shape[2:]).permute(0, 1, 3, 4, 2, 5, 6)  # [N, O, h, w, C, 2h, 2w]
    return written.flatten(4).flatten(1, 3).contiguous()


def _taps(kernel: Tensor, size: int) -> Tensor:
    """1 where a tap of the kernel, at a pixel of the smaller line, meets one of the larger: [4, size, 2 size]."""
    tap, pixel = (torch.arange(count, device=kernel.device) for count in (KERNEL, 2 * size))
    return (pixel == 2 * pixel[:size, None] - 1 + tap[:, None, None]).to(kernel.dtype)


def _is_librarys(x: Tensor, numbers: int, pixels: int) -> bool:
    """Whether the library's is the fastest, by images [N, ...], and the numbers and pixels of the larger ones."""
    return len(x) == 1 and (x.device.type != "cpu" or numbers > FEW_NUMBERS or pixels > FEW_PIXELS)


def _down(x: Tensor, kernel: Tensor) -> Tensor:
    if _is_librarys(x, x.numel(), x[0, 0, 0].numel()):
        return conv2d(x[0], kernel[0], stride=2, padding=1)[None]
    y = _neighbourhoods(x) @ kernel.flatten(2).mT  # [N, B*h*w, O]
    return y.view(len(x), x.shape[1], x.shape[3] // 2, -1, y.shape[2]).movedim(-1, 2)


def _up(y: Tensor, kernel: Tensor) -> Tensor:
    if not _is_librarys(y, 4 * y[:, :, 0].numel() * kernel.shape[2], 4 * y[0, 0, 0].numel()):
        return _overlap(y.movedim(2, -1).flatten(1, 3) @ kernel.flatten(2), y.shape)
    if y.device.type != "cpu" or kernel.shape[2] >= FEW_CHANNELS:
        return conv_transpose2d(y[0], kernel[0], stride=2, padding=1)[None]
    return _product_and_sum(y[0], kernel[0])[None]


def _by_kernel(x: Tensor, y: Tensor) -> Tensor:
    if _is_librarys(x, x.numel(), x[0, 0, 0].numel()):
        blank = x.new_empty(y.shape[2], x.shape[2], KERNEL, KERNEL)
        only_kernel = [False, True, False]
        gradient: Tensor = torch.ops.aten.convolution_backward(y[0], x[0], blank, None, *_GEOMETRY, only_kernel)[1]
        return gradient[None]
    product = y.movedim(2, -1).flatten(1, 3).mT @ _neighbourhoods(x)  # [N, O, C*16]
    return product.view(*product.shape[:2], -1, KERNEL, KERNEL)


_convolve: Map = bilinear(
    _down, lambda x, kernel, g: _convolve_back(g, kernel), lambda x, kernel, g: _kernel_gradient(x, g)
)
_convolve_back: Map = bilinear(
    _up, lambda y, kernel, g: _convolve(g, kernel), lambda y, kernel, g: _kernel_gradient(g, y)
)

_kernel_gradient: Map = bilinear(_by_kernel, lambda x, y, g: _convolve_back(y, g), lambda x, y, g: _convolve(x, g))
"""Gradient of the sum of `down(x, kernel) * y` by the kernel: [N, O, C, 4, 4]."""


def _product_and_sum(y: Tensor, kernel: Tensor) -> Tensor:
    """`conv_transpose2d` of one row by torch's own product and sum of neighbourhoods, not oneDNN's."""
    result: Tensor = torch.ops.aten.slow_conv_transpose2d(y, kernel, [KERNEL] * 2, None, [2, 2], [1, 1], [0, 0], [1, 1])
    return result


def _neighbourhoods(x: Tensor) -> Tensor:
    """What each output pixel sees: [N, B, C, 2h, 2w] -> [N, B*h*w, C*16]."""
    windows = pad(x, (1, 1, 1, 1)).unfold(3, KERNEL, 2).unfold(4, KERNEL, 2)  # [N, B, C, h, w, 4, 4]
    return windows.permute(0, 1, 3, 4, 2, 5, 6).flatten(4).flatten(1, 3)


def _overlap(columns: Tensor, shape: torch.Size) -> Tensor:
    """The adjoint: adds neighbourhoods [N, B*h*w, C*16] up to [N, B, C, 2h, 2w]; `shape` is [N, B, _, h, w].

    A kernel of four is two blocks of two pixels each way, and blocks of neighbours overlap whole.
    """
    rows, batch, _, h, w = shape
    columns = columns.view(rows, batch, h, w, -1, 2, 2, 2, 2).permute(0, 1, 4, 5, 7, 2, 6, 3, 8)
    blocks = [  # i, j: [N, B, C, h + 1, 2, w + 1, 2]
        pad(columns[:, :, :, i, j], (0, 0, j, 1 - j, 0, 0, i, 1 - i)) for i in (0, 1) for j in (0, 1)
    ]
    total = (blocks[0] + blocks[1] + blocks[2] + blocks[3]).flatten(5, 6).flatten(3, 4)
    return total[..., 1:-1, 1:-1]
