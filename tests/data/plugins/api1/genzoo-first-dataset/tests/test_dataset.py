import numpy as np

from genzoo_first_dataset.dataset import NOISE, TURNS, load


def test_points_lie_on_their_arm() -> None:
    data = load()
    assert data.labels is not None
    radius = np.linalg.norm(data.events, axis=1)
    angle = 2 * np.pi * TURNS * radius + np.pi * data.labels
    nearest = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    # Noise along the radius moves the angle that belongs to it: by 2 pi TURNS at radius 1.
    assert np.linalg.norm(data.events - nearest, axis=1).mean() < 10 * NOISE
    assert set(data.labels) == {0, 1}
