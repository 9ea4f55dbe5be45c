from ipaddress import ip_network

import pytest

from app.core.network import canonical, client_network, client_of

PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48")]


class TestCanonical:
    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("192.0.2.7", "192.0.2.7"),
            (" 192.0.2.7 ", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("::1", "::1"),
        ],
    )
    def test_writes_an_address_in_one_form(self, written: str, meant: str) -> None:
        assert canonical(written) == meant

    @pytest.mark.parametrize(
        "written",
        ["", "unknown", "_hidden", "192.0.2.7:443", "192.0.2.07", "192.0.2.256", "1", "a" * 5000, "192.0.2.7\n1"],
    )
    def test_takes_nothing_else_for_an_address(self, written: str) -> None:
        assert canonical(written) == "unknown"


class TestClientNetwork:
    def test_is_the_address_itself_in_ipv4(self) -> None:
        assert client_network("192.0.2.7") == "192.0.2.7"

    def test_is_the_64_in_ipv6(self) -> None:
        assert client_network("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64"

    def test_is_one_for_all_addresses_that_a_client_of_ipv6_has(self) -> None:
        addresses = ["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2:a::b"]

        assert len({client_network(address) for address in addresses}) == 1

    def test_differs_between_neighbours(self) -> None:
        assert client_network("2001:db8:1:2::1") != client_network("2001:db8:1:3::1")

    @pytest.mark.parametrize("address", [None, "", "unknown"])
    def test_is_one_for_all_that_are_unknown(self, address: str | None) -> None:
        assert client_network(address) == "unknown"


class TestClientOf:
    @pytest.mark.parametrize(
        ("peer", "forwarded", "client"),
        [
            pytest.param("10.0.0.1", "", "10.0.0.1", id="no header"),
            pytest.param("10.0.0.1", "192.0.2.7", "192.0.2.7", id="one proxy"),
            pytest.param("10.0.0.1", "192.0.2.7, 10.0.0.2", "192.0.2.7", id="two proxies"),
            pytest.param("10.0.0.1", "203.0.113.9, 192.0.2.7", "192.0.2.7", id="forged on the left"),
            pytest.param("10.0.0.1", "10.9.9.9, 192.0.2.7", "192.0.2.7", id="one of ours forged on the left"),
            pytest.param("10.0.0.1", "192.0.2.7,10.0.0.2 ,10.0.0.3", "192.0.2.7", id="odd spaces"),
            pytest.param("10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.2", id="all of them ours"),
            pytest.param("10.0.0.1", "junk, 192.0.2.7", "192.0.2.7", id="junk on the left"),
            pytest.param("10.0.0.1", "192.0.2.7, junk", "10.0.0.1", id="junk on the right"),
            pytest.param("10.0.0.1", ",,,", "10.0.0.1", id="commas"),
            pytest.param("::ffff:10.0.0.1", "192.0.2.7", "192.0.2.7", id="a mapped proxy"),
            pytest.param("10.0.0.1", "::ffff:192.0.2.7", "192.0.2.7", id="a mapped client"),
            pytest.param("2001:db8:ffff::1", "2001:db8:1::5", "2001:db8:1::5", id="ipv6"),
            pytest.param("10.0.0.1", "2001:db8:1::5, 2001:db8:ffff::2", "2001:db8:1::5", id="ipv4 and ipv6"),
            pytest.param("10.0.0.1", "[2001:db8:1::5]", "2001:db8:1::5", id="ipv6 in brackets"),
        ],
    )
    def test_reads_from_the_right_what_trusted_proxies_wrote(self, peer: str, forwarded: str, client: str) -> None:
        assert client_of(peer, forwarded, PROXIES) == client

    @pytest.mark.parametrize("peer", ["192.0.2.7", "2001:db8:1::5", "::ffff:192.0.2.7"])
    def test_ignores_what_a_stranger_wrote(self, peer: str) -> None:
        assert client_of(peer, "203.0.113.9", PROXIES) == canonical(peer)

    def test_ignores_all_of_it_when_no_proxy_is_trusted(self) -> None:
        assert client_of("10.0.0.1", "203.0.113.9", []) == "10.0.0.1"

    @pytest.mark.parametrize("peer", ["", "unix:"])
    def test_trusts_no_peer_without_an_address(self, peer: str) -> None:
        assert client_of(peer, "203.0.113.9", PROXIES) == "unknown"
