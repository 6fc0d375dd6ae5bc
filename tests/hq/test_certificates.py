from __future__ import annotations

import datetime as dt
import stat
from pathlib import Path

import pytest
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from hq import certificates
from hq.certificates import Identity

NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)


def verifier(authority: Identity, moment: dt.datetime) -> verification.PolicyBuilder:
    store = verification.Store([authority.certificate])
    return verification.PolicyBuilder().store(store).time(moment)


def test_a_box_certificate_stands_for_store_and_box() -> None:
    """The user that the broker reads is STORE.BOX, and the authority vouches for it as a client."""
    authority = certificates.new_authority(NOW)
    box = certificates.new_client(authority, "shop-1.box-1", NOW)
    verified = verifier(authority, NOW).build_client_verifier().verify(box.certificate, [])

    assert [name.value for name in verified.subjects or []] == ["shop-1.box-1"]
    assert certificates.names_of(box.certificate) == {"shop-1.box-1"}


def test_another_authority_vouches_for_nothing() -> None:
    """A certificate is not verified by an authority of the same name with another key."""
    box = certificates.new_client(certificates.new_authority(NOW), "shop-1.box-1", NOW)
    other = verifier(certificates.new_authority(NOW), NOW).build_client_verifier()

    with pytest.raises(verification.VerificationError):
        other.verify(box.certificate, [])


def test_a_box_certificate_cannot_serve() -> None:
    """A stolen box's certificate makes no broker."""
    authority = certificates.new_authority(NOW)
    box = certificates.new_client(authority, "shop-1.box-1", NOW)
    usages = box.certificate.extensions.get_extension_for_class(certificates.x509.ExtendedKeyUsage).value

    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_a_box_certificate_signs_no_other() -> None:
    """What a box's key signs is believed by nobody."""
    authority = certificates.new_authority(NOW)
    box = certificates.new_client(authority, "shop-1.box-1", NOW)
    forged = certificates.new_client(box, "shop-2.box-1", NOW)

    with pytest.raises(verification.VerificationError):
        verifier(authority, NOW).build_client_verifier().verify(forged.certificate, [box.certificate])


def test_a_server_certificate_stands_for_names_and_addresses() -> None:
    """A broker is reached by name and by address."""
    authority = certificates.new_authority(NOW)
    server = certificates.new_server(authority, ["hq.example.com", "192.0.2.7", "2001:db8::7"], NOW)
    subject = certificates.x509.DNSName("hq.example.com")
    verifier(authority, NOW).build_server_verifier(subject).verify(server.certificate, [])

    assert certificates.names_of(server.certificate) == {"hq.example.com", "192.0.2.7", "2001:db8::7"}


def test_an_empty_clock_battery_does_not_cut_the_link() -> None:
    """A mini-PC that believes it is 2015 still accepts the broker."""
    authority = certificates.new_authority(NOW)
    server = certificates.new_server(authority, ["hq.example.com"], NOW)
    then = verifier(authority, dt.datetime(2015, 1, 1, tzinfo=dt.UTC))

    then.build_server_verifier(certificates.x509.DNSName("hq.example.com")).verify(server.certificate, [])


def test_what_is_saved_is_private_and_comes_back(tmp_path: Path) -> None:
    """Key and certificate are 0600 and load as they were."""
    authority = certificates.new_authority(NOW)
    authority.save(tmp_path, "ca")
    loaded = certificates.load(tmp_path, "ca")

    assert loaded.certificate == authority.certificate
    assert loaded.key_pem == authority.key_pem
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
