"""How the exercises are called whose arguments are no plain arrays."""

from minicap.arrays import columns as columns_of_minicap
from minicap.arrays.windows import window_over


def im2col(images, size, stride, pad, dilation=1):
    """im2col with the window that conv_forward would use."""
    return columns_of_minicap.im2col(
        images, window_over(im2col, images.shape[2:], size, stride, pad, dilation)
    )


def col2im(columns, image, size, stride, pad, dilation=1):
    """col2im with the window that conv_forward would use."""
    return columns_of_minicap.col2im(columns, window_over(col2im, image, size, stride, pad, dilation))
