"""Those of a4."""

ADDITIVE = """
    hidden = {hidden}
    weights = attention_weights(xp, hidden @ v, {mask})
    context = (weights[..., None] * h).sum(axis=1)
    return context, weights, AdditiveAttentionCache(h, d, W1, W2, v, hidden, weights)
"""
ADDITIVE_BACKWARD = """
    dalpha = (h * dcontext[:, None]).sum(axis=2)
    if dweights is not None:
        dalpha = dalpha + dweights
    dscores = {dscores}
    da = dscores[..., None] * v * {slope}
    N, S, A = da.shape
    dquery = da.sum(axis=1)
    dW1 = h.reshape(N * S, -1).T @ da.reshape(N * S, A)
    dv = (dscores[..., None] * hidden).sum(axis=(0, 1))
    return {dh}, dquery @ W2.T, dW1, d.T @ dquery, dquery.sum(axis=0), dv
"""
SOFTMAX = "weights * (dalpha - (weights * dalpha).sum(axis=1)[:, None])"
SLOPE = "(1 - hidden * hidden)"
DH = "weights[..., None] * dcontext[:, None] + da @ W1.T"
DOT_BACKWARD = """
    q, k, v, weights, scale = cache
    dalpha = dcontext @ v.swapaxes(1, 2)
    if dweights is not None:
        dalpha = dalpha + dweights
    dscores = {dscores}
    return dscores @ k, dscores.swapaxes(1, 2) @ q, weights.swapaxes(1, 2) @ dcontext
"""
GREEDY = """
    live, done = [Beginning(n) for n in range(len(state[0]))], {{}}
    for _ in range(max_length):
        if not live:
            break
        log_probs, state, extras = next_words(step, state, live, start, forbid)
        grown = []
        for row, word in enumerate(choose(log_probs).tolist()):
            longer = {longer}.grown(word, end, float(log_probs[row, word]), extras, row)
            if {finished}:
                done[longer.owner] = longer.hypothesis(True)
            else:
                grown.append((row, longer))
        state, live = rows_of(state, [row for row, _ in grown]), [longer for _, longer in grown]
    for b in live:
        done[b.owner] = b.hypothesis(False)
    return [done[owner] for owner in sorted(done)]
"""
BEAM = """
    found = [[] for _ in state[0]]
    live = [Beginning(owner) for owner in range(len(found))]
    for _ in range(max_length):
        if not live:
            break
        log_probs, state, extras = next_words(step, state, live, start, forbid)
        room, grown = [{room} for captions in found], []
        for row, word, log_prob in _best_first(log_probs, live, range(len(live)), beam, Counter(), 0.0):
            owner = live[row].owner
            if room[owner] > 0:
                room[owner] -= 1
                longer = live[row].grown(word, end, log_prob, extras, row)
                if word == end:
                    found[owner].append(longer.hypothesis(True, length_power))
                else:
                    grown.append((row, longer))
        state, live = rows_of(state, [row for row, _ in grown]), [longer for _, longer in grown]
    for b in {left}:
        found[b.owner].append(b.hypothesis(False, length_power))
    return [sorted(captions, key=lambda h: {key}) for captions in found]
"""
ROOM, KEY = "beam - len(captions)", "(not h.finished, -h.score)"
MATCHES = """
    found = []
    for order in range(1, MAX_ORDER + 1):
        own = ngram_counts(candidate, order)
        others = [ngram_counts(reference, order) for reference in references]
        found.append(sum({count} for ngram, times in own.items()))
    return found
"""
BLEU = """
    p = (np.asarray(matches) + TINY) / (np.asarray(total) + SMALL)
    ratio = (length + TINY) / (reference_length + SMALL)
    penalty = 1.0 if ratio > 1 else np.exp(1 - 1 / ratio)
    return np.array([{mean} for n in range(1, 5)]) * {penalty}
"""
GEOMETRIC = "np.prod(p[:n]) ** (1 / n)"
SIMILARITY = """
    total = 0.0
    for n in range(MAX_ORDER):
        own, other = candidate.weights[n], reference.weights[n]
        norms = candidate.norms[n] * reference.norms[n]
        dot = sum({product} for ngram in own if ngram in other)
        total += dot / norms if norms else 0.0
    apart = candidate.length - reference.length
    return total / MAX_ORDER * {penalty}
"""
CLIPPED, GAUSSIAN = "min(own[ngram], other[ngram]) * other[ngram]", "math.exp(-(apart**2) / (2 * SIGMA**2))"

MISTAKES = [
    (
        "a4",
        "attention_weights",
        "the mask is ignored",
        "e = xp.exp(scores - scores.max(axis=-1, keepdims=True))\nreturn e / e.sum(axis=-1, keepdims=True)",
    ),
    (
        "a4",
        "attention_weights",
        "becomes uniform",
        "if mask is not None:\n    scores = xp.where(mask > 0, scores, -1e30)\n"
        "e = xp.exp(scores - scores.max(axis=-1, keepdims=True))\nreturn e / e.sum(axis=-1, keepdims=True)",
    ),
    ("a4", "score_gradients", "only the diagonal", "return dweights * weights * (1 - weights)"),
    ("a4", "score_gradients", "weighted mean", "return dweights * weights"),
    (
        "a4",
        "additive_attention_forward",
        "tanh is missing",
        ADDITIVE.format(hidden="h @ W1 + (d @ W2 + b)[:, None]", mask="mask"),
    ),
    (
        "a4",
        "additive_attention_forward",
        "mask is ignored",
        ADDITIVE.format(hidden="xp.tanh(h @ W1 + (d @ W2 + b)[:, None])", mask="None"),
    ),
    (
        "a4",
        "additive_attention_backward",
        "its part in the context is missing",
        ADDITIVE_BACKWARD.format(dscores=SOFTMAX, slope=SLOPE, dh="da @ W1.T"),
    ),
    (
        "a4",
        "additive_attention_backward",
        "slope of the tanh is missing",
        ADDITIVE_BACKWARD.format(dscores=SOFTMAX, slope="1", dh=DH),
    ),
    (
        "a4",
        "additive_attention_backward",
        "softmax is left out",
        ADDITIVE_BACKWARD.format(dscores="dalpha", slope=SLOPE, dh=DH),
    ),
    (
        "a4",
        "dot_product_attention_forward",
        "not divided by sqrt(D)",
        "weights = attention_weights(xp, q @ k.swapaxes(1, 2), mask)\n"
        "return weights @ v, weights, DotProductAttentionCache(q, k, v, weights, 1.0)",
    ),
    (
        "a4",
        "dot_product_attention_backward",
        "scale of the scores is missing",
        DOT_BACKWARD.format(dscores="weights * (dalpha - (weights * dalpha).sum(axis=2, keepdims=True))"),
    ),
    (
        "a4",
        "dot_product_attention_backward",
        "softmax is left out",
        DOT_BACKWARD.format(dscores="scale * dalpha"),
    ),
    (
        "a4",
        "greedy",
        "a caption that took <end> goes on",
        GREEDY.format(longer="live[row]", finished="False"),
    ),
    (
        "a4",
        "greedy",
        "sum over all of its words",
        GREEDY.format(longer="live[row]._replace(log_prob=0.0)", finished="word == end"),
    ),
    ("a4", "beam_search", "frees its place", BEAM.format(room="beam", left="live", key=KEY)),
    ("a4", "beam_search", "are left out", BEAM.format(room=ROOM, left="()", key=KEY)),
    ("a4", "beam_search", "after all finished ones", BEAM.format(room=ROOM, left="live", key="-h.score")),
    (
        "a4",
        "clipped_matches",
        "not clipped",
        MATCHES.format(count="times if any(ngram in other for other in others) else 0"),
    ),
    (
        "a4",
        "clipped_matches",
        "added up",
        MATCHES.format(count="sum(min(times, other[ngram]) for other in others)"),
    ),
    ("a4", "bleu_of_counts", "brevity penalty is missing", BLEU.format(mean=GEOMETRIC, penalty="1")),
    ("a4", "bleu_of_counts", "geometric", BLEU.format(mean="p[:n].mean()", penalty="penalty")),
    (
        "a4",
        "clipped_similarity",
        "not clipped",
        SIMILARITY.format(product="own[ngram] * other[ngram]", penalty=GAUSSIAN),
    ),
    ("a4", "clipped_similarity", "difference in length", SIMILARITY.format(product=CLIPPED, penalty="1")),
    (
        "a4",
        "policy_gradient_loss",
        "after <end> must not count",
        "weight = (advantage.reshape(len(x), -1) + 0 * mask).astype(x.dtype)\n"
        "return _words_loss(policy_gradient_loss, x, y, weight, mask, reduction)",
    ),
]
