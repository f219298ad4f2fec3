"""`minicap demo`: from photos to captions on the embedded sample."""

import argparse
from itertools import islice
from pathlib import Path
from time import perf_counter

from minicap.captioning import Captioner, ShowAndTellConfig, make_encoder
from minicap.captioning.run import (
    CaptionDataConfig,
    CaptionRunConfig,
    CaptionTrainingConfig,
    evaluate,
    make_trainer,
)
from minicap.captioning.samples import SampleCaptions
from minicap.captioning.splits import Split, load_split
from minicap.cli.arguments import path
from minicap.cli.fitting import draw_curves, print_epoch
from minicap.cli.scores import print_scores
from minicap.data import open_dataset
from minicap.data.images import load_image
from minicap.errors import InputError, MissingExtra
from minicap.progress import printable
from minicap.training import RunFolder

# A small model and strong dropout: 84 photos are few, and the demo is to end in a minute or two.
CONFIG = CaptionRunConfig(
    data=CaptionDataConfig(min_count=2, max_words=16),
    model=ShowAndTellConfig(cell="lstm", embed_size=128, hidden_size=256, dropout=0.5),
    training=CaptionTrainingConfig(epochs=30, batch_size=32, learning_rate=2e-3, schedule="cosine"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=path, metavar="DIR", help="folder for the run (default: minicap-demo)")


def run(args: argparse.Namespace) -> int:
    started = perf_counter()
    run_folder = RunFolder(args.run or _free_folder())
    if run_folder.holds_a_run:
        raise InputError(f"{run_folder.path} already holds a run; choose another folder")
    run_folder.write_config(CONFIG.to_toml())
    print("minicap: a convolutional network looks at photos, an LSTM learns to describe them;")
    print("every gradient is written by hand.\n")
    dataset, encoder = open_dataset(CONFIG.data.path), make_encoder(CONFIG.encoder)
    train, held_out = (load_split(dataset, split, encoder, CONFIG.reads) for split in ("train", "test"))
    captioner, trainer = make_trainer(CONFIG, run_folder, train, held_out, (print_epoch,))
    trainer.callbacks = [*trainer.callbacks, SampleCaptions(captioner, held_out, run_folder)]
    parameters = sum(p.size for p in captioner.model.params.values())
    print(
        f"{len(train.paths)} photos to train on, {len(held_out.paths)} held out; "
        f"{len(captioner.vocabulary)} words; {parameters:,} parameters\n"
    )
    trainer.fit()

    best = Captioner.load(run_folder.path)  # the checkpoint that `minicap eval` and `caption` take, too
    scores, captions = evaluate(best, held_out, beam=3)
    shipped = Captioner.shipped()
    seen = load_split(dataset, "test", shipped.encoder, shipped.model.reads)
    shipped_scores, shipped_captions = evaluate(shipped, seen, beam=3)
    photos = f"{shipped.vocabulary.counts[shipped.vocabulary.end]:,} photos"  # with one caption each
    print(f"\nThe demo's captioner is its checkpoint of {best.origin}, these very photos.")
    print("Held-out photos, captioned by this model, by the shipped one, and by a human:\n")
    rows = zip(held_out.paths, captions, shipped_captions, held_out.raw, strict=True)
    for photo, caption, of_shipped, humans in islice(rows, 10):
        print(f"  {photo.name}")
        print(f"    this demo: {caption}\n    shipped:   {of_shipped}\n    human:     {humans[0]}")
    print()
    print_scores(
        {f"this demo ({len(train.paths)} photos)": scores, f"shipped captioner ({photos})": shipped_scores}
    )
    draw_curves(trainer, unit="cross-entropy per word (nats)")
    _draw_sheet(run_folder, held_out, captions)
    seconds = perf_counter() - started
    folder = printable(str(run_folder.path))
    print(f"\nThe run is in {folder}: figures, metrics, checkpoints ({seconds:.0f} s in all).")
    print("Now a photo of your own:")
    print(f"  minicap caption PHOTO      (the shipped captioner, trained on {photos})")
    print(f"  minicap caption PHOTO --run {folder}")
    return 0


def _draw_sheet(run_folder: RunFolder, split: Split, captions: list[str]) -> None:
    from minicap.plots import caption_sheet, save_figure

    try:
        images = [load_image(photo) for photo in split.paths[:12]]
        figure = caption_sheet(images, captions[:12], split.raw[:12], title="Held-out photos")
        save_figure(figure, run_folder.figures / "captions.png")
    except MissingExtra:
        pass  # draw_curves has said so


def _free_folder() -> Path:
    numbered = (Path(f"minicap-demo-{n}") for n in range(2, 10_000))
    return next(p for p in (Path("minicap-demo"), *numbered) if not p.exists())
