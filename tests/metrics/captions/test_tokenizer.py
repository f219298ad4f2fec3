import shutil
import subprocess
from pathlib import Path

import pytest

from minicap.metrics.captions import tokenize

# Made with Stanford CoreNLP 3.4.1 PTBTokenizer -preserveLines -lowerCase, less the COCO list of punctuation.
OFFICIAL = {
    "A man riding a wave.": "a man riding a wave",
    "He can't, won't and doesn't": "he ca n't wo n't and does n't",
    "it's I'm we're; they've he'll she'd": "it 's i 'm we 're they 've he 'll she 'd",
    "someone's sneakers, the dogs' toys, 90's, TV's": "someone 's sneakers the dogs toys 90 's tv 's",
    "we cannot, gonna, wanna, gotta, gimme 'tis": "we can not gon na wan na got ta gim me 't is",
    "a \"quoted\" 'word' and `tick` ‘curly’ “curly” don’t": "a quoted word and tick curly curly do n't",
    "slip 'n' slide, rock 'n roll, the '60s": "slip 'n' slide rock 'n roll the '60s",
    "five o'clock, O'Brien's, d'angelo, ma'am": "five o'clock o'brien 's d'angelo ma'am",
    "a snow-packed, well-lit black-and white 5-year-old": "a snow-packed well-lit black-and white 5-year-old",
    "animals - a bull -- a dog--cat dog- brown dog -brown": "animals a bull a dog cat dog brown dog brown",
    "wait... what.... no.. … a – b — c": "wait what no a b c",
    "1,000 birds, 3.5 metres at 8:25, 12:30pm, .5": "1,000 birds 3.5 metres at 8:25 12:30 pm .5",
    "1/64 scale, and/or, man/woman, 24/7, a / b": "1/64 scale and/or man/woman 24/7 a / b",
    "Mr. Smith, Main St. and D.C. R.V. U.S.A": "mr. smith main st. and d.c. r.v. u.s.a",
    "etc. plan A.": "etc. plan a.",
    "cats, dogs, etc... in the U.S... yes": "cats dogs etc. in the u.s. yes",
    "bus No.5, no. 7. No. It is no.": "bus no. 5 no. 7 no it is no",
    "statefarm.com, train.Electric dog,cat": "statefarm.com train.electric dog cat",
    "(paren) [red] {brace}": "-lrb- paren -rrb- -lsb- red -rsb- -lcb- brace -rcb-",
    "wow! wow!! what?! really?": "wow wow !! what ?! really",
    "#7 50% $5.50 & 10°C a+b": "# 7 50 % $ 5.50 & 10 ° c a + b",
    "AT&T B&W b&w": "at&t b&w b & w",
    "Café naïve ñ 日本 foo_bar": "café naïve ñ 日本 foo_bar",
    "": "",
    " .,;: ": "",
}

# Where minicap knowingly stops following: marks that captions hardly ever have.
DEPARTURES = {
    "http://x.com": ("http / / x.com", "http://x.com"),
    "me@b.com": ("me @ b.com", "me@b.com"),
    "hi :)": ("hi -rrb-", "hi :-rrb-"),
    "½ and 5¢": ("½ and 5 ¢", "1/2 and 5 cents"),
    "at -5": ("at 5", "at -5"),
    "y'all": ("y all", "y' all"),
}


@pytest.mark.parametrize(("caption", "tokens"), OFFICIAL.items())
def test_tokens_are_those_of_the_official_tokeniser(caption, tokens):
    assert " ".join(tokenize(caption)) == tokens


@pytest.mark.parametrize(("caption", "tokens"), [(c, ours) for c, (ours, _) in DEPARTURES.items()])
def test_known_departures_from_the_official_tokeniser(caption, tokens):
    assert " ".join(tokenize(caption)) == tokens


def test_all_757_captions_of_the_fixture_tokenise_as_officially(official):
    different = [
        raw
        for image in official["images"]
        for raw, tokens in zip(
            [image["candidate_raw"], *image["references_raw"]],
            [image["candidate_tok"], *image["references_tok"]],
            strict=True,
        )
        if tokenize(raw) != tokens.split()
    ]
    assert different == []


def test_the_tables_above_are_what_the_official_tokeniser_says(tmp_path):
    package = pytest.importorskip(
        "pycocoevalcap.tokenizer.ptbtokenizer", reason='oracle: pip install "minicap[metrics]"'
    )
    if shutil.which("java") is None:
        pytest.skip("the official tokeniser needs Java")
    expected = OFFICIAL | {caption: official for caption, (_, official) in DEPARTURES.items()}
    captions = tmp_path / "captions.txt"
    captions.write_text("".join(f"{caption}\n" for caption in expected), encoding="utf-8")
    command = ["java", "-cp", str(Path(package.__file__).with_name(package.STANFORD_CORENLP_3_4_1_JAR))]
    command += ["edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase", "-encoding", "UTF-8"]
    answer = subprocess.run([*command, str(captions)], capture_output=True, encoding="utf-8", check=True)
    lines = answer.stdout.split("\n")[: len(expected)]
    kept = [" ".join(t for t in line.split() if t not in package.PUNCTUATIONS) for line in lines]
    assert kept == list(expected.values())


@pytest.mark.timeout(60)
@pytest.mark.parametrize("run", ["-", "a", "a-", "a.", "ab.", "'", "n'", "1,", "1.", "/", "!", "_"])
def test_the_time_grows_no_faster_than_the_caption(run):
    tokenize(run * 100_000)
