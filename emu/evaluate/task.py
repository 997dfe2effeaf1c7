"""Task: what the output of a model means, and so how it is measured."""

from enum import Enum


class Task(Enum):
    """What a model's output means.

    CLASSIFY: one score per class; measured by Top-1 and Top-5.
    RECONSTRUCT: the input again; a sample's score is the mean squared difference over
    its rows, and label 1 marks the anomalies that should score high; measured by the
    area under the ROC curve.
    DETECT: what a decoder makes boxes of; measured by average precision.
    """

    CLASSIFY = "classify"
    RECONSTRUCT = "reconstruct"
    DETECT = "detect"
