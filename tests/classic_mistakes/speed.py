"""Those of a5."""

IM2COL = """
    padded = pad_images(images, window)
    (sh, sw), (dh, dw), (OH, OW) = window.stride, window.dilation, window.out
    N, C = padded.shape[:2]
    columns = backend_of(images=images).xp.empty((C, *window.size, N, OH, OW), images.dtype)
    for i in range(window.size[0]):
        for j in range(window.size[1]):
            top, left = i * {down}, j * {right}
            seen = padded[:, :, top : top + sh * OH : sh, left : left + sw * OW : sw]
            columns[:, i, j] = seen[:, :, :OH, :OW].swapaxes(0, 1)
    return columns
"""
TRANSFORMS = """
    m, p = _TILES[taps][0], np.array(_TILES[taps][1], float)
    a = m + taps - 1
    AT, G, BT = np.zeros((m, a)), np.zeros((a, taps)), np.zeros((a, a))
    for k in range(a - 1):
        rest = [p[l] for l in range(a - 1) if l != k]
        for i in range(m):
            AT[i, k] = p[k] ** i
        for j in range(taps):
            G[k, j] = p[k] ** j / {divisor}
        BT[k, : a - 1] = {row}
    BT[a - 1] = np.poly(p)[::-1]
    {infinity}
    return Transforms(m, taps, BT.astype(dtype), G.astype(dtype), AT.astype(dtype))
"""
DIVISOR = "np.prod([p[k] - q for q in rest])"
INFINITY = "AT[m - 1, a - 1], G[a - 1, taps - 1] = 1, 1"
FILTERS = """
    U = np.einsum("pi,fcij,qj->pqcf", t.G, w, {right})
    return U.reshape(len(t.G) ** 2, w.shape[1], w.shape[0])
"""
LSTM = """
    (N, T, D), H = x.shape, len(Wh)
    gates, tanh_c = np.empty((5, T, N, H), x.dtype), np.empty((T, N, H), x.dtype)
    h = np.empty((T + 1, N, H), x.dtype)
    ones = with_ones(x)
    h[0], c = h0, np.zeros((N, H), x.dtype) if c0 is None else c0
    scale = np.array([0.5, 0.5, 0.5, 1], x.dtype)
    input_product(ones, gates_first(Wx, 4), gates_first(b, 4), scale, gates[:4])
    skipped = left_out({mask}, T)
    for t in range(T):
        a = gates[:4, t] + scale[:, None, None] * gates_first(h[t] @ Wh, 4)
        i, f, o, g = *(0.5 + {half} * np.tanh(a[:3])), np.tanh(a[3])
        if skipped[t] is not None:
            i[skipped[t]], f[skipped[t]], o[skipped[t]] = 0, 1, 0
        gates[:, t] = i, f, o, g, c
        c = f * c + i * g
        tanh_c[t] = np.tanh(c)
        h[t + 1] = o * tanh_c[t]
        if skipped[t] is not None:
            h[t + 1, skipped[t]] = h[t, skipped[t]]
    return h[1:].swapaxes(0, 1), LstmCache(ones, Wx, Wh, h, gates, tanh_c, skipped)
"""
CUT_AND_RUN = """
    count = {whole}
    parts = cut(batch, shards, whole)
    found = [model.loss(part, train, rng._replace(row={row}), {count}) for row, part in parts]
    loss = sum(each for each, _ in found)
    return loss, {{name: {total} for name in found[0][1]}}
"""
STEP = """
  {guard}
  int n = thread() / H, j = thread() % H;
  int place = {place}, own = n * H + j;
  real sums[4];
  for (int k = 0; k < 4; ++k)
    sums[k] = gates[place * 4 * H + k * H + j] + product[(4 * n + k) * H + j] + {bias};
  LstmCell cell = lstm_cell(sums, c[own]);
  {before}
  gates[place * 4 * H + j] = cell.i;
  gates[place * 4 * H + H + j] = cell.f;
  gates[place * 4 * H + 2 * H + j] = cell.o;
  gates[place * 4 * H + 3 * H + j] = cell.g;
  h[own] = carry({mask}, place, cell.next_h, h[own]);
  c[own] = carry({mask}, place, cell.next_c, c[own]);
  {after}
  out[{at}] = h[own];
"""
KEEP = "prev_h[place * H + j] = h[own]; prev_c[place * H + j] = c[own];"
SOUND = dict(
    guard="if (thread() >= N * H) return;",
    place="n * T + t",
    bias="b[k * H + j]",
    before=KEEP,
    after="",
    mask="mask",
    at="place * H + j",
)
STEP_BACK = """
  int number = thread(), n = number / H, j = number % H;
  if (number >= N * H) return;
  int place = n * T + t;
  real dstate = dout[place * H + j]{later};
  if (carried) dstate {past};
  LstmGradient back = lstm_cell_gradient(
      gates + place * 4 * H + j, H, prev_c[place * H + j], of_next({mask}, place, dstate),
      of_next({mask}, place, dc[number]));
  for (int k = 0; k < 4; ++k) {{
    step_da[{step_block}] = back.da[k];
    da[{block}] = back.da[k];
  }}
  {cell}
  if (carried) carried[number] = of_old({mask}, place, dstate);
"""
SOUND_BACK = dict(
    later=" + dh[number]",
    past="+= carried[number]",
    mask="mask",
    step_block="n * 4 * H + k * H + j",
    block="place * 4 * H + k * H + j",
    cell="dc[number] = back.dc + of_old(mask, place, dc[number]);",
)
INTERLEAVED = dict(step_block="4 * number + k", block="4 * (place * H + j) + k")


def step(**wrong):
    return STEP.format(**SOUND | wrong)


def step_back(**wrong):
    return STEP_BACK.format(**SOUND_BACK | wrong)


WHOLE, ALL = "model.count(batch) if count is None else count", "sum(grads[name] for _, grads in found)"

MISTAKES = [
    ("a5", "im2col", "dilation is not used", IM2COL.format(down="1", right="1")),
    (
        "a5",
        "transforms",
        "product of (p_k - p_l)",
        TRANSFORMS.format(divisor="1", row="np.poly(rest)[::-1]", infinity=INFINITY),
    ),
    (
        "a5",
        "transforms",
        "highest first",
        TRANSFORMS.format(divisor=DIVISOR, row="np.poly(rest)", infinity=INFINITY),
    ),
    (
        "a5",
        "transforms",
        "point at infinity",
        TRANSFORMS.format(divisor=DIVISOR, row="np.poly(rest)[::-1]", infinity="pass"),
    ),
    (
        "a5",
        "filters_at_points",
        "filters and channels are exchanged",
        FILTERS.format(right="t.G").replace("pqcf", "pqfc"),
    ),
    (
        "a5",
        "sharded_loss",
        "divides by its own count",
        CUT_AND_RUN.format(whole=WHOLE, row="rng.row + row", count="len(part['x'])", total=ALL),
    ),
    (
        "a5",
        "sharded_loss",
        "first row is row 0",
        CUT_AND_RUN.format(whole=WHOLE, row="rng.row", count="count", total=ALL),
    ),
    (
        "a5",
        "sharded_loss",
        "those of one part",
        CUT_AND_RUN.format(whole=WHOLE, row="rng.row + row", count="count", total="found[-1][1][name]"),
    ),
    ("a5", "lstm_forward", "sigmoid(a) = (1 + tanh(a / 2)) / 2", LSTM.format(half="1", mask="mask")),
    ("a5", "lstm_forward", "mask is ignored", LSTM.format(half="0.5", mask="None")),
    ("a5", "lstm_step", "only 8 of the 32 threads have a number", step(guard="")),
    ("a5", "lstm_step", "which thread 0 uses too", step(at="t * H + j")),
    ("a5", "lstm_step", "n * T + t", step(place="t * N + n")),
    ("a5", "lstm_step", "bias is missing", step(bias="0")),
    ("a5", "lstm_step", "mask is ignored", step(mask="0")),
    ("a5", "lstm_step", "keep it before it moves on", step(before="", after=KEEP)),
    ("a5", "lstm_step_gradient", "dh is missing", step_back(later="")),
    ("a5", "lstm_step_gradient", "carried is missing", step_back(past="+= 0")),
    (
        "a5",
        "lstm_step_gradient",
        "mask is ignored",
        step_back(mask="0", cell="dc[number] = back.dc;"),
    ),
    ("a5", "lstm_step_gradient", "blocks of da lie H apart", step_back(**INTERLEAVED)),
    ("a5", "lstm_step_gradient", "dc does not move on", step_back(cell="")),
    ("a5", "lstm_step_gradient", "where the mask is 0, dc passes", step_back(cell="dc[number] = back.dc;")),
]
