"""The bulk Richardson height against its closed form."""

import numpy as np

from pipeline.ingest.richardson import richardson_height


def test_bulk_richardson_height_of_a_linear_profile_has_its_closed_form():
    # constant wind: g gradient (z - zs)^2 / (theta_s 100 u*^2) = 0.25
    z = np.broadcast_to((10 + 5 * np.arange(120.0))[:, None, None], (120, 2, 3))
    stress = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    theta = 290 + 0.02 * (z - 10)
    wind = np.full(z.shape, 4.0)
    truth = 10 + np.sqrt(0.25 * 290 * 100 * stress**2 / (9.81 * 0.02))
    got = richardson_height(z, theta, wind, -wind, stress, gravity=9.81)
    np.testing.assert_allclose(got, truth, atol=0.2)
    # a neutral profile has no top
    assert np.isnan(richardson_height(z, 0 * theta + 290, wind, wind, stress, gravity=9.81)).all()


def test_levels_below_the_ground_do_not_matter():
    z = np.broadcast_to((10 + 20 * np.arange(60.0))[:, None, None], (60, 2, 3))
    theta, stress = 290 + 0.01 * z, np.full((2, 3), 0.3)
    truth = richardson_height(z, theta, z / 100, 0 * z, stress, gravity=9.81)
    under = [
        np.concatenate([np.full((2, 2, 3), fill), values])
        for fill, values in ((0.0, z), (350.0, theta), (40.0, z / 100))
    ]
    under[0][:2] = np.array([-300.0, -100.0])[:, None, None]
    got = richardson_height(under[0], under[1], under[2], 0 * under[0], stress, gravity=9.81)
    np.testing.assert_allclose(got, truth)
