"""`minicap train APPLICATION DATA --run RUN`: train a model; `minicap train --resume RUN`: go on with one."""

import argparse
from collections.abc import Sequence
from types import ModuleType

from minicap.cli import train_captioner, train_charlm, train_classifier, train_retrieval, train_tagger
from minicap.cli.arguments import path
from minicap.cli.settings import add_named_settings, resumed_config, settings_file
from minicap.errors import InputError
from minicap.progress import printable
from minicap.training import RunFolder

# Each has CONFIG, DONE and OPEN_TRAINER; add_arguments(parser), new(args), open_data(config) and
# train(config, run, data); for a sweep, completed(tables) and prepare(configs).
APPLICATIONS = {
    "captioner": train_captioner,
    "classifier": train_classifier,
    "tagger": train_tagger,
    "retrieval": train_retrieval,
    "charlm": train_charlm,
}
OTHER_WORDS = {"multilabel": "tagger"}
_OF_A_NEW_RUN = ("data", "dataset", "text", "run", "config", "start")  # flags that --resume does without


def add_arguments(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add the arguments of the application with which argv, the words after `train`, begins.

    Without such a word it is the application of --config or --resume, or else the captioner.
    """
    parser.epilog = "Each application has its own settings: " + ", ".join(
        f"minicap train {name} --help" for name in APPLICATIONS
    )
    if argv[:1] and argv[0] in (*APPLICATIONS, *OTHER_WORDS):
        name = OTHER_WORDS.get(argv[0], argv[0])
        parser = parser.add_subparsers(metavar="APPLICATION").add_parser(argv[0])
    else:
        name = str(settings_file(argv)[0].get("application", "captioner"))
        application_named(name)
    parser.set_defaults(application=name)
    parser.add_argument("--run", type=path, metavar="DIR", help="folder to create for the run")
    parser.add_argument("--resume", type=path, metavar="RUN", help="resume an interrupted run")
    parser.add_argument("--config", type=path, metavar="FILE.toml", help="settings, like a config.toml")
    APPLICATIONS[name].add_arguments(parser)
    add_named_settings(parser, APPLICATIONS[name].CONFIG, argv)


def application_named(name: str | None) -> ModuleType:
    """The application of that name, the captioner where none is given.  Raises InputError for another."""
    if name is not None and name not in APPLICATIONS:
        raise InputError(f"unknown application {name!r}; known: {', '.join(APPLICATIONS)}")
    return APPLICATIONS[name or "captioner"]


def run(args: argparse.Namespace) -> int:
    application = APPLICATIONS[args.application]
    if args.resume:
        if any(getattr(args, name, None) for name in _OF_A_NEW_RUN):
            raise InputError(
                "--resume takes data and settings from the run; "
                "leave out DATA, --data, --text, --run, --config, --from"
            )
        folder, config = args.resume, resumed_config(application.CONFIG, args)
        data = application.open_data(config)
    else:
        if not args.run:
            raise InputError("name a folder for the run: --run DIR")
        folder = args.run
        config, data = application.new(args)
    run_folder = RunFolder(folder)
    with run_folder.locked():
        if run_folder.holds_a_run:
            if not args.resume:
                raise InputError(f"{folder} already holds a run; --resume {folder} continues it")
        else:
            run_folder.write_config(config.to_toml())  # first of all, so that --resume knows an early death
        application.train(config, run_folder, data)
    print(application.DONE.format(run=printable(str(folder))))
    return 0
