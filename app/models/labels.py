"""What people call a model: how many parameters it has, and how they are stored. Pure.

The file's name is asked first where it can know more than the metadata (`UD-Q4_K_XL` is stored as `Q4_K_M`); both
labels are empty where nobody says.
"""

import re
from collections.abc import Mapping

from engine.gguf_header import Scalar

FILE_TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4_MOE",
}
"""`general.file_type`: the numbers of llama.cpp's `llama_ftype`, without those that are no longer written."""

_QUANTISATION = re.compile(
    r"(?<![A-Z0-9])(?:UD-)?(?:I?Q\d_(?:K(?:_[A-Z]{1,3})?|\d|XXS|XS|S|M|NL)|TQ\d_0|MXFP4(?:_MOE)?|BF16|F16|F32)(?![A-Z0-9])"
)
_NUM_PARAMETERS = re.compile(r"(?<![A-Z0-9.])(?:\d+X)?\d+(?:\.\d+)?[BM](?![A-Z0-9])")


def quantisation(name: str, metadata: Mapping[str, Scalar]) -> str:
    """How the weights are stored: `Q4_K_M`."""
    told = _QUANTISATION.findall(name.upper().replace("FP16", "F16").replace("FP32", "F32"))
    if told:
        return told[-1]
    code = metadata.get("general.file_type")
    return FILE_TYPES.get(code, "") if isinstance(code, int) else ""


def num_parameters(name: str, metadata: Mapping[str, Scalar]) -> str:
    """How many parameters the model has: `7B`, `8x7B`, `270M`."""
    label = metadata.get("general.size_label")
    if isinstance(label, str) and label:
        return label
    told = _NUM_PARAMETERS.findall(name.upper())
    return told[0].replace("X", "x") if told else ""
