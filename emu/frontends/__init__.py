"""Model files to float Graphs; the only room that knows their formats."""

from emu.frontends.load import load_model as load_model
from emu.frontends.onnx_import import load_onnx as load_onnx
