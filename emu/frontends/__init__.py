"""Model files to float Graphs; the only room that knows their formats."""

from emu.frontends.load import LOADERS as LOADERS, load_model as load_model
from emu.frontends.onnx_import import load_onnx as load_onnx
from emu.frontends.tflite_import import load_tflite as load_tflite
from emu.frontends.tosa_import import load_tosa as load_tosa
