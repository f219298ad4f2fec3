import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicap.errors import InputError
from minicap.metrics.captions import score


def numbers(scores):
    return [*scores["bleu"], scores["rouge_l"], scores["cider"]]


def official_numbers(scores):
    return [*scores["bleu"], scores["rouge"], scores["cider"]]


@pytest.mark.parametrize(("form", "tokenized"), [("tok", True), ("raw", False)])
def test_scores_are_the_official_ones_for_the_corpus_and_every_image(official, form, tokenized):
    images = official["images"]
    scores = score(
        [image[f"candidate_{form}"] for image in images],
        [image[f"references_{form}"] for image in images],
        tokenized=tokenized,
    )
    corpus = official["scores"]
    np.testing.assert_allclose(
        numbers(scores), [*corpus["Bleu"], corpus["ROUGE_L"], corpus["CIDEr"]], rtol=0, atol=1e-12
    )
    np.testing.assert_allclose(
        [numbers(image) for image in scores["per_image"]],
        [official_numbers(image["scores"]) for image in images],
        rtol=0,
        atol=1e-12,
    )


words = st.sampled_from(["a", "dog", "cat", "runs", "on", "grass", "'s"])
candidate = st.lists(words, max_size=12).map(" ".join)
reference = st.lists(words, min_size=1, max_size=12).map(" ".join)
corpora = st.lists(st.tuples(candidate, st.lists(reference, min_size=1, max_size=4)), min_size=1, max_size=6)


@given(corpora)
def test_random_sentences_score_as_in_pycocoevalcap(corpus):
    reason = 'oracle: pip install "minicap[metrics]"'
    bleu = pytest.importorskip("pycocoevalcap.bleu.bleu", reason=reason).Bleu(4)
    rouge = pytest.importorskip("pycocoevalcap.rouge.rouge", reason=reason).Rouge()
    cider = pytest.importorskip("pycocoevalcap.cider.cider", reason=reason).Cider()
    candidates, references = [c for c, _ in corpus], [refs for _, refs in corpus]
    res, gts = {i: [c] for i, c in enumerate(candidates)}, dict(enumerate(references))
    corpus_bleu, image_bleu = bleu.compute_score(gts, res, verbose=0)
    mean_rouge, image_rouge = rouge.compute_score(gts, res)
    mean_cider, image_cider = cider.compute_score(gts, res)

    scores = score(candidates, references, tokenized=True)

    np.testing.assert_allclose(numbers(scores), [*corpus_bleu, mean_rouge, mean_cider], rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        [numbers(image) for image in scores["per_image"]],
        np.column_stack([*image_bleu, image_rouge, image_cider]),
        rtol=0,
        atol=1e-9,
    )


@given(corpora, st.randoms(use_true_random=False))
def test_the_order_of_images_and_references_does_not_matter(corpus, random):
    shuffled = random.sample(corpus, len(corpus))
    shuffled = [(c, random.sample(refs, len(refs))) for c, refs in shuffled]
    before, after = (
        score(*map(list, zip(*pairs, strict=True)), tokenized=True) for pairs in (corpus, shuffled)
    )
    np.testing.assert_allclose(numbers(after), numbers(before), rtol=0, atol=1e-12)


@given(st.lists(reference, min_size=2, max_size=6))
def test_scores_stay_in_their_ranges_and_a_copied_reference_is_the_top(captions):
    scores = score(captions, [[caption] for caption in captions], tokenized=True)
    assert scores["bleu"][0] == pytest.approx(1)
    assert scores["rouge_l"] == pytest.approx(1)
    assert 0 <= scores["cider"] <= 10 + 1e-9


def test_different_long_captions_copied_reach_a_cider_of_ten():
    captions = ["a dog runs on grass", "two cats sleep under trees"]
    assert score(captions, [[c] for c in captions])["cider"] == pytest.approx(10)


def test_tokenized_splits_on_white_space_only():
    raw, tokens = "A dog's ball.", "a dog 's ball"
    assert score([raw], [[tokens]], tokenized=True)["bleu"][0] < 0.5
    assert score([raw], [[raw, "a cat"]]) == score([tokens], [[tokens, "a cat"]], tokenized=True)


def test_scores_are_plain_numbers_that_json_takes():
    scores = score(["a dog", "a cat"], [["a dog"], ["the cat", "a cat"]])
    assert json.loads(json.dumps(scores)) == scores


def test_captions_without_words_score_nothing_and_do_not_fail():
    scores = score(["", "...", "a dog"], [["a dog"], ["", "a cat"], [""]])
    assert numbers(scores["per_image"][0]) == pytest.approx([0] * 6, abs=1e-12)
    assert numbers(scores["per_image"][1]) == pytest.approx([0] * 6, abs=1e-12)
    assert np.isfinite(numbers(scores)).all()


@pytest.mark.parametrize(
    ("candidates", "references", "message"),
    [
        ("a dog", [["a dog"]], "score: candidates is a string; pass a list of captions, one per image"),
        (["a dog"], "a dog", "score: references is a string"),
        (["a dog"], ["a dog"], r"score: references\[0\] is a string; pass a list of captions, at least one"),
        ([], [], "score: candidates is empty"),
        (["a dog"], [], "score: references is empty"),
        (["a dog", "a cat"], [["a dog"]], "score: 2 candidates but references for 1 images"),
        (["a dog", "a cat"], [["a dog"], []], r"score: references\[1\] is empty; .* at least one"),
        (["a dog", None], [["a dog"], ["a"]], r"score: candidates\[1\] is of type NoneType; pass a caption"),
        ([["a", "dog"]], [["a dog"]], r"score: candidates\[0\] is of type list; pass a caption as a string"),
        (["a dog"], [["a dog", 3]], r"score: references\[0\]\[1\] is of type int"),
        ({0: "a dog"}, [["a dog"]], "score: candidates is of type dict; pass a list"),
    ],
)
def test_bad_input_is_named(candidates, references, message):
    with pytest.raises(InputError, match=message):
        score(candidates, references)
