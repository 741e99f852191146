"""The brain phantom: nested tissues, contrasts, parameter maps, signal trains, and exact k-space."""

import math

import pytest
import torch

from mriops.phantoms import Ellipsoid, Region, Tissue, TissuePhantom, brain


@pytest.mark.parametrize(("ndim", "size", "oversample"), [(2, (480, 480), 8), (3, (96, 96, 96), 3)])
def test_regions_lie_inside_their_parents(ndim, size, oversample):
    fractions = brain(ndim=ndim).fractions(size, oversample=oversample)
    assert fractions.min() > -1e-12  # a child outside its parent, or two children that overlap, go below 0
    total = fractions.sum(0)
    assert total.max() < 1 + 1e-12
    assert (fractions.amax(tuple(range(1, ndim + 1))) > 0.5).all()  # every region fills some pixel


def test_the_head_fills_the_field_of_view_without_touching_its_edge():
    head = brain().fractions((64, 64)).sum(0)
    assert 0.3 < float(head.mean()) < 0.7
    assert head[0].max() == head[-1].max() == head[:, 0].max() == head[:, -1].max() == 0


@pytest.mark.parametrize("ndim", [2, 3])
def test_contrasts_rank_tissues_as_in_practice(ndim):
    phantom = brain(ndim=ndim)

    def signal(contrast):
        seen = phantom.seen(contrast)
        out = {}
        for i, region in enumerate(seen.regions):
            below = 0.0 if region.parent is None else out[region.parent]
            out[i] = below + float(seen.values[i].real)
        assert max(out.values()) == pytest.approx(1.0)
        assert min(out.values()) >= -1e-12
        return {region.tissue.name: out[i] for i, region in enumerate(seen.regions)}

    t1, t2, flair, pd = (signal(c) for c in ("t1", "t2", "flair", "pd"))
    assert t1["fat"] > t1["grey matter"] > t1["csf"]
    assert t1["white matter"] > t1["thalamus"] > t1["grey matter"]
    assert t2["csf"] > t2["lesion"] > t2["grey matter"] > t2["white matter"] > t2["bone"]
    assert flair["lesion"] > flair["grey matter"] > flair["csf"]
    assert pd["csf"] > pd["grey matter"] > pd["white matter"] > pd["bone"]


def test_tissue_maps():
    phantom = brain()
    maps = phantom.tissue_maps((96, 96))
    assert set(maps) == {"region", "m0", "t1", "t2", "t2star"}
    assert maps["region"].dtype == torch.int64
    assert maps["t1"][0, 0] == 0
    assert maps["region"][0, 0] == -1
    for i, region in enumerate(phantom.regions):
        inside = maps["region"] == i
        assert maps["t2"][inside].eq(torch.tensor(region.tissue.t2)).all()
    ours = phantom.seen(lambda t: t.t1).image((96, 96), oversample=8).real
    pure = phantom.fractions((96, 96)).amax(0) > 1 - 1e-9
    assert (ours[pure] - maps["t1"][pure]).abs().max() < 1e-5


def test_a_train_of_echoes_is_a_leading_axis():
    times = torch.tensor([0.01, 0.05, 0.1], dtype=torch.float64)
    phantom = brain().seen(lambda t: t.m0 * torch.exp(-times / t.t2))
    kspace = phantom.kspace((24, 24), dtype=torch.complex128)
    assert kspace.shape == (3, 24, 24)
    assert phantom.image((24, 24)).shape == (3, 24, 24)
    second = brain().seen(lambda t: t.m0 * math.exp(-0.05 / t.t2)).kspace((24, 24), dtype=torch.complex128)
    assert torch.allclose(kspace[1], second, rtol=1e-12, atol=1e-12)


def test_kspace_at_zero_is_the_mean_of_the_image():
    phantom = brain()
    centre = phantom.kspace(torch.zeros(1, 2, dtype=torch.float64), dtype=torch.complex128)[0]
    mean = phantom.image((512, 512), dtype=torch.complex128).mean()
    # midpoint rule with 4096 lines
    assert abs(complex(centre - mean)) < 1e-5
    assert abs(centre.imag) < 1e-15


def test_kspace_of_the_cortex_matches_its_picture():
    phantom = brain()
    image = phantom.image((960, 960), oversample=6, dtype=torch.complex128)
    r = (torch.arange(960, dtype=torch.float64) - 480) / 960
    for k in ((3.0, -7.0), (25.5, 14.25), (-40.0, 2.0)):
        rows, columns = (torch.exp(-2j * math.pi * q * r) / 960 for q in k)
        pixel = math.prod(float(torch.sinc(torch.tensor(q / 960, dtype=torch.float64))) for q in k)
        found = complex(phantom.kspace(torch.tensor([k], dtype=torch.float64), dtype=torch.complex128)[0])
        # error of sub-pixel lines: 1e-5 of the mean signal of 0.3
        assert abs(complex(rows @ image @ columns) / pixel - found) < 1e-5


def test_without_lesions():
    assert len(brain().regions) - len(brain(lesions=False).regions) >= 4
    assert all(r.tissue.name != "lesion" for r in brain(ndim=3, lesions=False).regions)


def test_moved_keeps_tissues_and_contrast():
    phantom = brain(contrast="t2").moved(torch.eye(2), (0.01, 0.0))
    assert isinstance(phantom, TissuePhantom)
    k = torch.tensor([[3.0, 1.0]], dtype=torch.float64)
    phase = complex(torch.exp(torch.tensor(-2j * math.pi * 0.03)))
    expected = brain(contrast="t2").kspace(k) * phase
    assert torch.allclose(phantom.kspace(k), expected, atol=1e-6)
    assert torch.allclose(phantom.seen("t1").kspace(k), brain().kspace(k) * phase, atol=1e-6)


def test_refused():
    with pytest.raises(ValueError, match=r"contrast: expected one of .* got 'ct'"):
        brain(contrast="ct")
    with pytest.raises(ValueError, match="ndim: expected 2 or 3, got 1"):
        brain(ndim=1)
    water, disc = Tissue("water", 1.0, 3.0, 2.0, 1.0), Ellipsoid((0, 0), [[0.2, 0], [0, 0.2]])
    with pytest.raises(ValueError, match="regions: expected the parent of region 0 before it, got 1"):
        TissuePhantom([Region(water, disc, 1), Region(water, disc)])
