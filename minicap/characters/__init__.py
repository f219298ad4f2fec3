"""Character-level language models: text learned and written one character at a time."""

from minicap.characters.model import CharacterModel, CharacterModelConfig
from minicap.characters.text import Alphabet, TextStreams
from minicap.characters.writer import Writer

__all__ = ["Alphabet", "CharacterModel", "CharacterModelConfig", "TextStreams", "Writer"]
