"""Promises of models with latent vectors."""

from __future__ import annotations

from genzoo.model import Decoder, Encoder, Reconstruction
from genzoo.testing.promise import Promise, expect
from genzoo.testing.subject import Subject, copied, scoped


def decode_shape(subject: Subject) -> None:
    """The prior draws vectors of `latent` numbers, and `decode` turns each into a finite event."""
    for case in subject.having(Decoder):
        decoder = case.wide
        assert isinstance(decoder, Decoder)
        expect(
            isinstance(decoder.latent, int) and decoder.latent > 0,
            f"On {case.name}, its latent vectors have {decoder.latent!r} dimensions.",
        )
        for n in (1, 37):
            z = scoped(lambda decoder=decoder, n=n: decoder.prior_sample(n))  # type: ignore[misc]
            expect(
                tuple(z.shape) == (n, decoder.latent),
                f"On {case.name}, prior_sample({n}) has the shape {tuple(z.shape)} and not {(n, decoder.latent)}.",
            )
            x = scoped(lambda decoder=decoder, z=z: decoder.decode(z.clone()))  # type: ignore[misc]
            wanted = (n, *case.data.event_shape)
            expect(
                tuple(x.shape) == wanted,
                f"On {case.name}, decode of {n} vectors has the shape {tuple(x.shape)} and not {wanted}.",
            )
            expect(bool(x.isfinite().all()), f"On {case.name}, decoded events hold numbers that are not finite.")


def encode_shape(subject: Subject) -> None:
    """`encode` gives a finite latent vector for each event, as long as `decode` takes it where the model decodes."""
    for case in subject.having(Encoder):
        encoder = case.wide
        assert isinstance(encoder, Encoder)
        for n in (1, 37):
            z = scoped(lambda encoder=encoder, n=n, case=case: encoder.encode(*case.given(n)))  # type: ignore[misc]
            length = encoder.latent if isinstance(encoder, Decoder) else z.shape[-1]
            expect(
                tuple(z.shape) == (n, length),
                f"On {case.name}, encode of {n} events has the shape {tuple(z.shape)} and not {(n, length)}.",
            )
            expect(bool(z.isfinite().all()), f"On {case.name}, latent vectors hold numbers that are not finite.")


def reconstruct_shape(subject: Subject) -> None:
    """`reconstruct` gives an event for each event, of its shape and finite."""
    for case in subject.having(Reconstruction):
        module = case.wide
        assert isinstance(module, Reconstruction)
        given = case.given()
        x = scoped(lambda module=module, given=given: module.reconstruct(*copied(given)))  # type: ignore[misc]
        expect(
            x.shape == given[0].shape,
            f"On {case.name}, reconstructions have the shape {tuple(x.shape)} and not {tuple(given[0].shape)}.",
        )
        expect(bool(x.isfinite().all()), f"On {case.name}, reconstructions hold numbers that are not finite.")


PROMISES = (
    Promise.of(decode_shape, "decoder"),
    Promise.of(encode_shape, "encoder"),
    Promise.of(reconstruct_shape, "reconstruction"),
)
