"""What a job keeps on the way."""

import numpy as np

from mriops.cli.job import Job


def test_slices_of_five_digits_stay_in_order(tmp_path):
    (tmp_path / "scan").touch()
    job = Job(tmp_path / "out", tmp_path / "scan", {})
    for number in (10000, 9999, 2):
        job.save(number, np.full((1, 1), number), 0.0)
    assert Job.finished_images(tmp_path / "out").ravel().tolist() == [2, 9999, 10000]
