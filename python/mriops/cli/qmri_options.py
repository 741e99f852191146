"""What options of `mriops qmri` may be, and are if they are not given: known without torch, for --help."""

from __future__ import annotations

__all__ = ["FINGERPRINT_DEFAULTS", "QMRI_MODELS"]

QMRI_MODELS = (
    *("t2", "t2star", "t1rho", "biexp", "stretched", "ir", "sr", "molli", "looklocker", "vfa", "mp2rage", "bssfp"),
    *("mrf", "adc", "ivim", "dti", "dki", "tofts", "pcasl", "pasl", "flow", "waterfat"),
)
#: Of the model mrf. None stands in the parsed arguments where they are not given, so that other models can refuse them.
FINGERPRINT_DEFAULTS = {"t1": "0.05:5:70", "t2": "0.005:2:70", "rank": 10, "l2": 1e-3, "max_iter": 30}
