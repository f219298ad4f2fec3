"""Files that other programs read and write, too: safetensors, TensorBoard events, JSON, TOML; no pickle."""

from minicap.formats.atomic import atomic_write_bytes, atomic_write_text, atomic_writer
from minicap.formats.checkpoint import Checkpoint, load_about, load_checkpoint, narrowed, save_checkpoint
from minicap.formats.documents import entry, parse_json, read_json, read_text, read_toml
from minicap.formats.regular import create_own, open_own, open_regular
from minicap.formats.safetensors import load_safetensors, save_safetensors
from minicap.formats.settings import (
    allowed,
    defaults,
    descriptions,
    from_mapping,
    from_named,
    nearest,
    parse,
    require_types,
    settings_named,
    to_toml,
    toml_value,
)
from minicap.formats.tensorboard import EventWriter

__all__ = [
    "Checkpoint",
    "EventWriter",
    "allowed",
    "atomic_write_bytes",
    "atomic_write_text",
    "atomic_writer",
    "create_own",
    "defaults",
    "descriptions",
    "entry",
    "from_mapping",
    "from_named",
    "load_about",
    "load_checkpoint",
    "load_safetensors",
    "narrowed",
    "nearest",
    "open_own",
    "open_regular",
    "parse",
    "parse_json",
    "read_json",
    "read_text",
    "read_toml",
    "require_types",
    "save_checkpoint",
    "save_safetensors",
    "settings_named",
    "to_toml",
    "toml_value",
]
