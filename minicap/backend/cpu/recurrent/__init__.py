"""Recurrent layers over whole sequences: one product for all inputs, few passes over memory at each step."""

from minicap.backend.cpu.recurrent.gru import GRU
from minicap.backend.cpu.recurrent.gru_reset_before import GRU_RESET_BEFORE
from minicap.backend.cpu.recurrent.lstm import LSTM
from minicap.backend.cpu.recurrent.rnn import RNN

OVERRIDES = (RNN, LSTM, GRU, GRU_RESET_BEFORE)
