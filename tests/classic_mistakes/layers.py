"""Those of a1, a2 and a3."""

BATCHNORM = """
    others = (0, *range(2, x.ndim))
    shape = (1, -1, *(1,) * (x.ndim - 2))
    if train:
        mean, var = x.mean(axis=others), {var}
        running_mean = momentum * running_mean + (1 - momentum) * mean
        running_var = momentum * running_var + (1 - momentum) * var
    else:
        mean, var = running_mean, running_var
    inv_std = ({inv_std}).reshape(shape)
    x_hat = (x - mean.reshape(shape)) * inv_std
    out = gamma.reshape(shape) * x_hat + beta.reshape(shape)
    return out, BatchnormCache(x_hat, inv_std, gamma, train, running_mean, running_var)
"""
BATCHNORM_BACKWARD = """
    axes, shape = (0, *range(2, dout.ndim)), (1, -1, *(1,) * (dout.ndim - 2))
    M = dout.size / dout.shape[1]
    g = {g}
    dx = inv_std / M * ({terms})
    if not train:
        dx = g * inv_std
    return dx, (dout * x_hat).sum(axes), dout.sum(axes)
"""
ALL = "M * g - g.sum(axes, keepdims=True) - x_hat * (g * x_hat).sum(axes, keepdims=True)"
CONV_BACKWARD = """
    (stride_h, stride_w), (dil_h, dil_w) = window.stride, window.dilation
    (top, bottom), (left, right) = window.pad
    from numpy import pad, zeros, zeros_like, einsum
    xp = pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    dxp, dw = zeros_like(xp), zeros_like(w)
    F, I, HH, WW = w.shape
    OH, OW = window.out
    per = F // groups
    for p in range(HH):
        for q in range(WW):
            rows = slice(p * dil_h, p * dil_h + stride_h * (OH - 1) + 1, stride_h)
            cols = slice(q * dil_w, q * dil_w + stride_w * (OW - 1) + 1, stride_w)
            for k in range(groups):
                fs, cs = slice(k * per, (k + 1) * per), slice(k * I, (k + 1) * I)
                dw[fs, :, p, q] = einsum("nfij,ncij->fc", dout[:, fs], xp[:, cs, rows, cols])
                dxp[:, cs, rows, cols] += einsum("nfij,fc->ncij", dout[:, fs], {w})
    dx = {dx}
    db = {db} if has_bias else None
    return dx, dw, db
"""
CROP = "dxp[:, :, top : top + window.image[0], left : left + window.image[1]]"
RNN_BACKWARD = """
    N, T, H = shape
    dnext, dWx, dWh, db, dxs = xp.zeros_like(dh[:, 0]), 0, 0, 0, []
    for t in range(T - 1, -1, -1):
        dout = {dout}
        new, old = carry_gradients(keep[t], dout)
        dx, dprev, a, b, c = rnn_step_backward(new, steps[t])
        {accumulate}
        dnext = dprev + old
        dxs.insert(0, dx)
    return xp.stack(dxs, axis=1), dnext, dWx, dWh, db
"""
ADD = "dWx, dWh, db = dWx + a, dWh + b, db + c"
LSTM_STEP = """
    H = prev_h.shape[1]
    a = x @ Wx + prev_h @ Wh + b
    {gates}
    next_c = {c}
    t = xp.tanh(next_c)
    return o * t, next_c, LstmStepCache(x, prev_h, prev_c, Wx, Wh, (i, f, o, g), t)
"""
GATES = "i, f, o, g = sigmoid(a[:, :H]), sigmoid(a[:, H:2*H]), sigmoid(a[:, 2*H:3*H]), xp.tanh(a[:, 3*H:])"
LSTM_STEP_BACKWARD = """
    dc = {dc}
    do = dnext_h * tanh_c * o * (1 - o)
    da = xp.hstack([dc * g * i * (1 - i), dc * prev_c * f * (1 - f), do, dc * i * (1 - g * g)])
    return da @ Wx.T, da @ Wh.T, {dprev_c}, x.T @ da, prev_h.T @ da, da.sum(0)
"""
SOFTMAX_LOSS = """
    N = len(x)
    shifted = x - x.max(axis=1, keepdims=True)
    log_p = shifted - xp.log(xp.exp(shifted).sum(axis=1, keepdims=True))
    loss = -log_p[xp.arange(N), y].{reduce}
    dx = xp.exp(log_p)
    {minus}
    return loss, dx{divided}
"""
ADAM = """
    m, v, t = state["m"], state["v"], {t}
    m[...] = self.beta1 * m + (1 - self.beta1) * dw
    v[...] = self.beta2 * v + (1 - self.beta2) * dw * dw
    {correct}
    w -= self.learning_rate * mt / {root}
"""
CORRECT = "mt, vt = m / (1 - self.beta1**t), v / (1 - self.beta2**t)"
POOL_BACKWARD = """
    from numpy import pad, inf, zeros
    (top, bottom), (left, right) = window.pad
    padded = pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=-inf)
    dpadded = zeros(padded.shape, x.dtype)
    for i in range(window.out[0]):
        for j in range(window.out[1]):
            r, c = i * window.stride[0], j * window.stride[1]
            patch = padded[:, :, r : r + window.size[0], c : c + window.size[1]]
            target = dpadded[:, :, r : r + window.size[0], c : c + window.size[1]]
            best = patch == patch.max(axis=(2, 3), keepdims=True)
            {rule}
    return dpadded[:, :, top : top + window.image[0], left : left + window.image[1]]
"""
FIRST = """flat = best.reshape(*best.shape[:2], -1)
            best = ((flat.cumsum(2) == 1) & flat).reshape(best.shape)
            """

MISTAKES = [
    (
        "a1",
        "affine_forward",
        "bias is missing",
        "out = x.reshape(x.shape[0], -1).dot(w)\nreturn out, AffineCache(x, w)",
    ),
    (
        "a1",
        "affine_backward",
        "batch size",
        "flat = x.reshape(len(x), -1)\n"
        "return dout.dot(w.T).reshape(x.shape), flat.T.dot(dout), dout.mean(axis=0)",
    ),
    (
        "a1",
        "affine_backward",
        "transposed",
        "flat = x.reshape(len(x), -1)\n"
        "return dout.dot(w.T).reshape(x.shape), dout.T.dot(flat), dout.sum(axis=0)",
    ),
    (
        "a1",
        "affine_backward",
        "wrong axis",
        "flat = x.reshape(len(x), -1)\n"
        "return dout.dot(w.T).reshape(x.shape), flat.T.dot(dout), dout.sum(axis=1)",
    ),
    (
        "a1",
        "affine_backward",
        "shape of x",
        "flat = x.reshape(len(x), -1)\nreturn dout.dot(w.T), flat.T.dot(dout), dout.sum(axis=0)",
    ),
    ("a1", "relu_backward", "wrote into dout", "dout[cache.x <= 0] = 0\nreturn dout"),
    ("a1", "relu_backward", "sign of the input", "dx = dout.copy()\ndx[dout < 0] = 0\nreturn dx"),
    ("a1", "relu_backward", "where x was negative", "return dout.copy()"),
    (
        "a1",
        "softmax_forward",
        "exp of a large number",
        "e = xp.exp(x)\np = e / e.sum(axis=-1, keepdims=True)\nreturn p, SoftmaxCache(p)",
    ),
    (
        "a1",
        "softmax_forward",
        "wrong axis",
        "e = xp.exp(x - x.max())\np = e / e.sum(axis=0)\nreturn p, SoftmaxCache(p)",
    ),
    ("a1", "softmax_backward", "diagonal", "return dout * (p - p**2)"),
    (
        "a1",
        "softmax_loss",
        "batch size",
        SOFTMAX_LOSS.format(reduce="mean()", minus="dx[xp.arange(N), y] -= 1", divided=""),
    ),
    (
        "a1",
        "softmax_loss",
        "batch size",
        SOFTMAX_LOSS.format(reduce="sum()", minus="dx[xp.arange(N), y] -= 1", divided=" / N"),
    ),
    ("a1", "softmax_loss", "right class", SOFTMAX_LOSS.format(reduce="mean()", minus="", divided=" / N")),
    (
        "a1",
        "svm_loss",
        "right class counts",
        "r = xp.arange(len(x))\nm = (x - x[r, y][:, None] + margin).clip(0)\n"
        "dx = (m > 0) * 1.0\ndx[r, y] -= dx.sum(axis=1)\nreturn scale_it(m, dx, scale, reduction)".replace(
            "scale_it(m, dx, scale, reduction)",
            "reduce_losses(m.sum(axis=1), reduction), (scale * dx).astype(x.dtype)",
        ),
    ),
    (
        "a1",
        "svm_loss",
        "no gradient",
        "r = xp.arange(len(x))\nm = (x - x[r, y][:, None] + margin).clip(0)\nm[r, y] = 0\n"
        "return reduce_losses(m.sum(axis=1), reduction), (scale * (m > 0)).astype(x.dtype)",
    ),
    ("a1", "sgd", "in place", "w = w - self.learning_rate * dw"),
    (
        "a1",
        "momentum",
        "kept for the next step",
        "v = self.momentum * state['v'] - self.learning_rate * dw\nw += v",
    ),
    (
        "a1",
        "adam",
        "corrected",
        ADAM.format(t="self.step_count", correct="mt, vt = m, v", root="(vt**0.5 + self.eps)"),
    ),
    (
        "a1",
        "adam",
        "inside the root",
        ADAM.format(t="self.step_count", correct=CORRECT, root="(vt + self.eps) ** 0.5"),
    ),
    (
        "a1",
        "adam",
        "step late",
        ADAM.format(t="self.step_count + 1", correct=CORRECT, root="(vt**0.5 + self.eps)"),
    ),
    ("a1", "he_normal", "standard deviation", "return (2.0 / fans(shape)[0]) * rng.standard_normal(shape)"),
    (
        "a2",
        "conv_backward",
        "180 degrees",
        CONV_BACKWARD.format(w="w[fs, :, HH - 1 - p, WW - 1 - q]", dx=CROP, db="dout.sum(axis=(0, 2, 3))"),
    ),
    (
        "a2",
        "conv_backward",
        "do not average",
        CONV_BACKWARD.format(w="w[fs, :, p, q]", dx=CROP, db="dout.mean(axis=(0, 2, 3))"),
    ),
    (
        "a2",
        "conv_backward",
        "padding has not been cut",
        CONV_BACKWARD.format(w="w[fs, :, p, q]", dx="dxp", db="dout.sum(axis=(0, 2, 3))"),
    ),
    (
        "a2",
        "max_pool_backward",
        "equal winners",
        POOL_BACKWARD.format(rule="target += best * dout[:, :, i, j][:, :, None, None]"),
    ),
    (
        "a2",
        "max_pool_backward",
        "do not assign",
        POOL_BACKWARD.format(rule=FIRST + "target[best] = (best * dout[:, :, i, j][:, :, None, None])[best]"),
    ),
    (
        "a2",
        "max_pool_forward",
        "minus infinity",
        "from numpy import maximum\nout = reduce(maximum, taps(pad_images(x, window), window))\n"
        "return out, MaxPoolCache(x, out, window)",
    ),
    (
        "a2",
        "batchnorm_forward",
        "N - 1",
        BATCHNORM.format(var="x.var(axis=others, ddof=1)", inv_std="1 / (var + eps) ** 0.5"),
    ),
    (
        "a2",
        "batchnorm_forward",
        "outside the root",
        BATCHNORM.format(var="x.var(axis=others)", inv_std="1 / (var**0.5 + eps)"),
    ),
    (
        "a2",
        "batchnorm_forward",
        "running statistics are used",
        BATCHNORM.format(var="x.var(axis=others)", inv_std="1 / (var + eps) ** 0.5").replace(
            "mean, var = running_mean, running_var", "mean, var = x.mean(axis=others), x.var(axis=others)"
        ),
    ),
    (
        "a2",
        "batchnorm_backward",
        "path through the mean",
        BATCHNORM_BACKWARD.format(
            g="dout * gamma.reshape(shape)", terms="M * g - x_hat * (g * x_hat).sum(axes, keepdims=True)"
        ),
    ),
    (
        "a2",
        "batchnorm_backward",
        "path through the variance",
        BATCHNORM_BACKWARD.format(
            g="dout * gamma.reshape(shape)", terms="M * g - g.sum(axes, keepdims=True)"
        ),
    ),
    (
        "a2",
        "batchnorm_backward",
        "taken for constants",
        BATCHNORM_BACKWARD.format(g="dout * gamma.reshape(shape)", terms="M * g"),
    ),
    ("a2", "batchnorm_backward", "gamma is missing", BATCHNORM_BACKWARD.format(g="dout", terms=ALL)),
    (
        "a2",
        "dropout_forward",
        "scaled up",
        "keep, scale = _draw(dropout_forward, x, x.shape, rate, train, rng)\n"
        "out = x if keep is None else x * keep\nreturn out, DropoutCache(x.shape, keep, scale)",
    ),
    (
        "a2",
        "dropout_backward",
        "drawn again",
        "mask = np.random.default_rng(7).random(dout.shape) > 0.4\nreturn dout * mask * cache.scale",
    ),
    (
        "a3",
        "embedding_backward",
        "assigned, not added",
        "d = table * 0\nd[ids] += dout\nif padding_index is not None:\n    d[padding_index] = 0\nreturn d",
    ),
    (
        "a3",
        "rnn_step_backward",
        "without another tanh",
        "slope = 1 - np.tanh(next_h) ** 2 if activation == 'tanh' else next_h > 0\n"
        "da = dnext_h * slope\nreturn da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(0)",
    ),
    (
        "a3",
        "rnn_backward",
        "only the last step",
        RNN_BACKWARD.format(dout="dnext + (dh[:, t] if t == T - 1 else 0)", accumulate=ADD),
    ),
    (
        "a3",
        "rnn_backward",
        "not added up",
        RNN_BACKWARD.format(dout="dnext + dh[:, t]", accumulate="dWx, dWh, db = a, b, c"),
    ),
    ("a3", "rnn_backward", "step after it", RNN_BACKWARD.format(dout="dh[:, t]", accumulate=ADD)),
    (
        "a3",
        "lstm_step_forward",
        "i, f, o, g",
        LSTM_STEP.format(
            gates=GATES.replace("i, f, o, g =", "i, f, o2, o =").replace(
                "xp.tanh(a[:, 3*H:])", "sigmoid(a[:, 3*H:])"
            )
            + "\n    g = xp.tanh(a[:, 2*H:3*H])",
            c="f * prev_c + i * g",
        ),
    ),
    (
        "a3",
        "lstm_step_forward",
        "forget gate is applied twice",
        LSTM_STEP.format(gates=GATES, c="f * (f * prev_c) + i * g"),
    ),
    (
        "a3",
        "lstm_step_backward",
        "that path is missing",
        LSTM_STEP_BACKWARD.format(dc="dnext_c", dprev_c="dc * f"),
    ),
    (
        "a3",
        "lstm_step_backward",
        "slope of tanh",
        LSTM_STEP_BACKWARD.format(dc="dnext_c + dnext_h * o", dprev_c="dc * f"),
    ),
    (
        "a3",
        "lstm_step_backward",
        "applied twice",
        LSTM_STEP_BACKWARD.format(dc="dnext_c + dnext_h * o * (1 - tanh_c**2)", dprev_c="dc * f**2"),
    ),
    (
        "a3",
        "temporal_softmax_loss",
        "mask is ignored",
        "ones = mask * 0 + 1\n"
        "return _words_loss(temporal_softmax_loss, x, y, ones, ones, reduction, label_smoothing)",
    ),
    (
        "a3",
        "gru_step_forward",
        "exchanged",
        "a, u = blocks(x @ Wx + b, 3), blocks(prev_h @ Wh + bh, 3)\n"
        "r, z = sigmoid(a[0] + u[0]), sigmoid(a[1] + u[1])\n"
        "un = u[2] if reset_after else (r * prev_h) @ blocks(Wh, 3)[2] + blocks(bh, 3)[2]\n"
        "n = xp.tanh(a[2] + (r * un if reset_after else un))\n"
        "return z * n + (1 - z) * prev_h, GruStepCache(x, prev_h, Wx, Wh, (r, z, n), un, reset_after)",
    ),
]
