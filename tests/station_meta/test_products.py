"""Contracts of column products come from a table, and every mistake in one is named with place, rule, value, remedy."""

import pytest

from station_meta import COLUMN_PRODUCTS, StationMetaError, load_products

GOOD = """
[limits.co2]
fail = [370.0, 480.0]
suspect = [385.0, 450.0]
[passes]
gap_minutes = 20.0
[contracts.one]
format = "oco2-lite"
source = "a test"
product = "One"
species = "co2"
match = { Platform = '^(?P<version>1)$' }
superobs_correlation = 0.5
[contracts.one.variables]
value = "group/xco2"
uncertainty = "u"
kernel = "k"
profile = "p"
pressure = "l"
weight = "w"
longitude = "lon"
latitude = "lat"
time = "time"
[contracts.two]
like = "one"
product = "Two"
[contracts.two.variables]
value = "xco2_2"
"""


def read(tmp_path, old="", new=""):
    assert old in GOOD
    path = tmp_path / "own.toml"
    path.write_text(GOOD.replace(old, new, 1) if old else GOOD + new, encoding="utf-8")
    return load_products(path)


def test_every_shipped_contract_says_where_its_layout_was_seen_and_of_which_gas_it_is():
    products = load_products()
    for name, contract in products.contracts.items():
        assert contract.source, name
        assert contract.species in products.limits, name
    assert {contract.format for contract in products.contracts.values()} == {
        "openmethane", "oco2-lite", "ghg-cci", "tropomi-l2", "tropomi-blended", "tccon"
    }  # fmt: skip


def test_tropomi_is_used_over_good_land_alone_by_default():
    for layout in ("tropomi-l2", "tropomi-blended"):
        for contract in load_products().of(layout, "ch4").values():
            assert (contract.quality, contract.uncertainty_factor) == (1.0, 2.0)
            assert contract.excluded == {"water": 1, "coast": 3}
            assert (contract.inland_water, contract.chi_square_most) == (2, 20000.0)
            assert (contract.snow_bits, contract.snow) == (0xF9, 184)
            assert contract.superobs_correlation == 0.55


def test_a_contract_that_is_like_another_has_its_keys_but_for_its_own(tmp_path):
    products = read(tmp_path)
    one, two = products.contracts["one"], products.contracts["two"]
    assert (two.product, two.variant, two.variables["kernel"]) == ("Two", "xco2_2", "k")
    assert (one.product, one.variant) == ("One", "xco2")
    assert list(products.of("oco2-lite", "co2")) == ["one", "two"]
    assert products.of("oco2-lite", "ch4") == {}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'product = "One"',
            'prodct = "One"',
            r"\[contracts.one\]: a key must be known; got 'prodct'.*did you mean product",
        ),
        ('source = "a test"\n', "", r"\[contracts.one\]: every key without a default must be there.*add source"),
        ('format = "oco2-lite"', 'format = "oco2"', r"\[contracts.one\]: format must be one of .*; got 'oco2'"),
        ('kernel = "k"\n', "", "variables must name all that the layout needs; got 'no kernel'"),
        ('kernel = "k"', 'kernel = "k"\nkernal = "x"', "variables must name what the layout has; got 'kernal'"),
        ("(?P<version>1)", "1", r"match must have the group version once; got \[\]"),
        ("(?P<version>1)", "(?P<version>1", "match must be regular expressions; got .*Remedy: correct it: missing"),
        ("(?P<version>1)", "(?P<versoin>1)", "groups must be version, issue or created"),
        (
            "superobs_correlation = 0.5",
            "superobs_correlation = 1.5",
            "superobs_correlation must lie in 0 to 1; got 1.5",
        ),
        ('species = "co2"', 'species = "co2"\nlayers = 1', "layers must be at least 2; got 1"),
        ('species = "co2"', 'species = "co2"\norder = "top"', "one of down, up, any; got 'top'"),
        ('species = "co2"', 'species = "co2"\nsnow = 184', "snow_bits, snow go together"),
        ('species = "co2"', 'species = "co2"\ncreated_format = "%Y"', "created and created_format go together"),
        ("uncertainty = ", "uncertainty = 3 #", "the value must be text; got 3"),
        ("gap_minutes = 20.0", "gap_minutes = 0.0", r"own.toml \[passes\]: gap_minutes must be positive; got 0.0"),
        ("suspect = [385.0, 450.0]", "suspect = [385.0, 490.0]", r"\[limits.co2\]: suspect must lie within fail"),
        ('like = "one"', 'like = "three"', r"\[contracts.two\]: like must name another contract.*use one of one"),
        ('like = "one"', 'like = "two"', "not in a circle"),
        ("[passes]\ngap_minutes = 20.0", "", "the tables must be limits, passes and contracts.*add passes"),
        ("[passes]", "[extra]\na = 1\n[passes]", "remove extra"),
        ("[passes]", "passes", "must be TOML in UTF-8"),
    ],
)
def test_a_fault_of_the_table_is_named(tmp_path, old, new, said):
    with pytest.raises(StationMetaError, match=said):
        read(tmp_path, old, new)


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StationMetaError, match="the table of products must be readable"):
        load_products(tmp_path / "none.toml")
    assert COLUMN_PRODUCTS.is_file()
