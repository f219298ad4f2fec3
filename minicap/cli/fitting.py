"""Fitting a model on the command line: a line for every epoch, and the curves at the end."""

from typing import Any

from minicap.errors import MissingExtra
from minicap.plots import loss_curves, save_figure
from minicap.progress import printable
from minicap.training import RunConfig, RunFolder, Trainer


def fit(trainer: Trainer, run_folder: RunFolder, config: RunConfig, unit: str) -> None:
    """Start or resume the run and train to its end; then draw its curves.  unit: what the loss is."""
    if run_folder.holds_a_run:
        trainer.resume()
        run_folder.write_config(config.to_toml())
    epochs, patience = trainer.config.epochs, trainer.config.patience
    if trainer.position.epoch >= epochs:
        folder = printable(str(run_folder.path))
        print(f"{folder} is finished; --epochs {2 * trainer.position.epoch} would continue it")
    trainer.fit()
    if trainer.position.epoch < epochs and trainer.position.step < trainer.steps:
        print(f"no better {trainer.monitor.name} for {patience} epochs; stopped")
    draw_curves(trainer, unit)


def print_epoch(trainer: Trainer, record: dict[str, Any]) -> None:
    """One line per epoch."""
    validation = f"  validation {record['validation_loss']:.3f}" if "validation_loss" in record else ""
    watched = trainer.monitor.name
    score = "" if watched.endswith("_loss") else f"  {watched} {record[watched]:.3f}"
    reward = f"  reward {record['reward']:.3f}" if "reward" in record else ""
    epoch = f"epoch {record['epoch']:>3}/{trainer.config.epochs}"
    print(f"{epoch}  loss {record['train_loss']:.3f}{reward}{validation}{score}", flush=True)


def draw_curves(trainer: Trainer, unit: str) -> None:
    """figures/loss.png, where matplotlib is installed; a line saying so where not."""
    monitor, run_folder = trainer.monitor, trainer.run
    try:
        figure = loss_curves(run_folder.metrics(), unit, judge=monitor.name, falls=monitor.falls)
        save_figure(figure, run_folder.figures / "loss.png")
    except MissingExtra as missing:
        print(f"(no figures: {missing})")
