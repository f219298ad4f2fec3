"""The heart of minicap: every layer as two pure functions, forward and backward side by side."""

from minicap.layers.activations import (
    elu_backward,
    elu_forward,
    gelu_backward,
    gelu_forward,
    leaky_relu_backward,
    leaky_relu_forward,
    relu6_backward,
    relu6_forward,
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
    silu_backward,
    silu_forward,
    tanh_backward,
    tanh_forward,
)
from minicap.layers.affine import (
    affine_backward,
    affine_forward,
)
from minicap.layers.attention import (
    additive_attention_backward,
    additive_attention_forward,
    dot_product_attention_backward,
    dot_product_attention_forward,
    multi_head_attention_backward,
    multi_head_attention_forward,
)
from minicap.layers.bidirectional import (
    bidirectional_backward,
    bidirectional_forward,
)
from minicap.layers.conv import (
    conv_backward,
    conv_forward,
)
from minicap.layers.conv1d import (
    conv1d_backward,
    conv1d_forward,
    glu_backward,
    glu_forward,
)
from minicap.layers.conv_transpose import (
    conv_transpose_backward,
    conv_transpose_forward,
)
from minicap.layers.dropout import (
    dropout_backward,
    dropout_forward,
    recurrent_dropout_backward,
    recurrent_dropout_forward,
    spatial_dropout_backward,
    spatial_dropout_forward,
)
from minicap.layers.embedding import (
    embedding_backward,
    embedding_forward,
)
from minicap.layers.gru import (
    gru_backward,
    gru_forward,
    gru_step_backward,
    gru_step_forward,
)
from minicap.layers.losses import (
    mse_loss,
    sigmoid_bce_loss,
    softmax_loss,
    svm_loss,
)
from minicap.layers.lrn import (
    lrn_backward,
    lrn_forward,
)
from minicap.layers.lstm import (
    lstm_backward,
    lstm_forward,
    lstm_step_backward,
    lstm_step_forward,
)
from minicap.layers.normalization import (
    batchnorm_backward,
    batchnorm_forward,
    groupnorm_backward,
    groupnorm_forward,
    layernorm_backward,
    layernorm_forward,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
)
from minicap.layers.penalties import (
    l1_penalty_loss,
    l2_penalty_loss,
)
from minicap.layers.pooling import (
    avg_pool_backward,
    avg_pool_forward,
    global_avg_pool_backward,
    global_avg_pool_forward,
    global_max_pool_backward,
    global_max_pool_forward,
    max_pool_backward,
    max_pool_forward,
)
from minicap.layers.ranking_losses import (
    pairwise_ranking_loss,
    warp_loss,
)
from minicap.layers.rnn import (
    rnn_backward,
    rnn_forward,
    rnn_step_backward,
    rnn_step_forward,
)
from minicap.layers.sandwiches import (
    affine_relu_dropout_backward,
    affine_relu_dropout_forward,
    conv_relu_backward,
    conv_relu_forward,
    relu_max_pool_backward,
    relu_max_pool_forward,
)
from minicap.layers.sequence_losses import (
    policy_gradient_loss,
    temporal_affine_softmax_loss,
    temporal_softmax_loss,
)
from minicap.layers.shape import (
    add_backward,
    add_forward,
    concat_backward,
    concat_forward,
    flatten_backward,
    flatten_forward,
    scale_shift_backward,
    scale_shift_forward,
    split_backward,
    split_forward,
)
from minicap.layers.soft_attention import (
    doubly_stochastic_loss,
    soft_attention_backward,
    soft_attention_forward,
)
from minicap.layers.softmax import (
    log_softmax_backward,
    log_softmax_forward,
    softmax_backward,
    softmax_forward,
)
from minicap.layers.temporal import (
    temporal_affine_backward,
    temporal_affine_forward,
)

__all__ = [
    "add_backward",
    "add_forward",
    "additive_attention_backward",
    "additive_attention_forward",
    "affine_backward",
    "affine_forward",
    "affine_relu_dropout_backward",
    "affine_relu_dropout_forward",
    "avg_pool_backward",
    "avg_pool_forward",
    "batchnorm_backward",
    "batchnorm_forward",
    "bidirectional_backward",
    "bidirectional_forward",
    "concat_backward",
    "concat_forward",
    "conv1d_backward",
    "conv1d_forward",
    "conv_backward",
    "conv_forward",
    "conv_relu_backward",
    "conv_relu_forward",
    "conv_transpose_backward",
    "conv_transpose_forward",
    "dot_product_attention_backward",
    "dot_product_attention_forward",
    "doubly_stochastic_loss",
    "dropout_backward",
    "dropout_forward",
    "elu_backward",
    "elu_forward",
    "embedding_backward",
    "embedding_forward",
    "flatten_backward",
    "flatten_forward",
    "gelu_backward",
    "gelu_forward",
    "global_avg_pool_backward",
    "global_avg_pool_forward",
    "global_max_pool_backward",
    "global_max_pool_forward",
    "glu_backward",
    "glu_forward",
    "groupnorm_backward",
    "groupnorm_forward",
    "gru_backward",
    "gru_forward",
    "gru_step_backward",
    "gru_step_forward",
    "l1_penalty_loss",
    "l2_penalty_loss",
    "layernorm_backward",
    "layernorm_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "log_softmax_backward",
    "log_softmax_forward",
    "lrn_backward",
    "lrn_forward",
    "lstm_backward",
    "lstm_forward",
    "lstm_step_backward",
    "lstm_step_forward",
    "max_pool_backward",
    "max_pool_forward",
    "mse_loss",
    "multi_head_attention_backward",
    "multi_head_attention_forward",
    "pairwise_ranking_loss",
    "policy_gradient_loss",
    "recurrent_dropout_backward",
    "recurrent_dropout_forward",
    "relu6_backward",
    "relu6_forward",
    "relu_backward",
    "relu_forward",
    "relu_max_pool_backward",
    "relu_max_pool_forward",
    "rnn_backward",
    "rnn_forward",
    "rnn_step_backward",
    "rnn_step_forward",
    "scale_shift_backward",
    "scale_shift_forward",
    "sigmoid_backward",
    "sigmoid_bce_loss",
    "sigmoid_forward",
    "silu_backward",
    "silu_forward",
    "soft_attention_backward",
    "soft_attention_forward",
    "softmax_backward",
    "softmax_forward",
    "softmax_loss",
    "spatial_batchnorm_backward",
    "spatial_batchnorm_forward",
    "spatial_dropout_backward",
    "spatial_dropout_forward",
    "split_backward",
    "split_forward",
    "svm_loss",
    "tanh_backward",
    "tanh_forward",
    "temporal_affine_backward",
    "temporal_affine_forward",
    "temporal_affine_softmax_loss",
    "temporal_softmax_loss",
    "warp_loss",
]
