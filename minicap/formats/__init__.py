"""Files other programs read and write too: safetensors and TensorBoard events, none of them with pickle."""

from minicap.formats.atomic import atomic_write_bytes, atomic_write_text, atomic_writer
from minicap.formats.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from minicap.formats.safetensors import load_safetensors, save_safetensors
from minicap.formats.settings import descriptions, from_mapping, nearest, read_toml, to_toml
from minicap.formats.tensorboard import EventWriter

__all__ = [
    "Checkpoint",
    "EventWriter",
    "atomic_write_bytes",
    "atomic_write_text",
    "atomic_writer",
    "descriptions",
    "from_mapping",
    "load_checkpoint",
    "load_safetensors",
    "nearest",
    "read_toml",
    "save_checkpoint",
    "save_safetensors",
    "to_toml",
]
