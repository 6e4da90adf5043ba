"""The five levels of a passport as a person looks at them: a digest and the main facts of each."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from streamflow.core.data.counts import count_of
from streamflow.core.data.json_text import canonical_json
from streamflow.core.versions.passport import Passport


@dataclass(frozen=True, kw_only=True)
class PassportLevel:
    """One level of a passport.

    digest  the sha256 over the level as canonical JSON: equal levels have equal digests
    facts   what it holds, in sentences
    """

    name: str
    digest: str
    facts: tuple[str, ...]


def list_levels(passport: Passport) -> tuple[PassportLevel, ...]:
    """List the levels in their order, from the data to the configuration."""
    facts = {
        "data": _describe_data(passport),
        "features": _describe_features(passport),
        "code": _describe_code(passport),
        "environment": _describe_environment(passport),
        "configuration": _describe_configuration(passport),
    }
    levels = passport.values["levels"]
    return tuple(
        PassportLevel(name=name, digest=_digest(levels[name]), facts=tuple(sentences))
        for name, sentences in facts.items()
    )


def _digest(level: object) -> str:
    return sha256(canonical_json(level).encode()).hexdigest()


def _describe_data(passport: Passport) -> list[str]:
    return [
        f"{source.table} of {source.as_of:%Y-%m-%d}, revision {source.revision},"
        f" {count_of(source.rows, 'row')}"
        for source in passport.sources
    ]


def _describe_features(passport: Passport) -> list[str]:
    return [f"feature service {passport.features.get('service', 'unknown')}"]


def _describe_code(passport: Passport) -> list[str]:
    code = passport.code
    sentences = []
    if code.get("commit"):
        sentences.append(f"commit {code['commit']}")
    if "files" in code:
        sentences.append(count_of(len(code["files"]), "source file"))
    changed = code.get("dirty") or ()
    if changed:
        sentences.append(f"{count_of(len(changed), 'file')} not as committed")
    return sentences


def _describe_environment(passport: Passport) -> list[str]:
    environment = passport.environment
    sentences = [
        str(environment[name]) for name in ("interpreter", "platform") if environment.get(name)
    ]
    if "distributions" in environment:
        sentences.append(count_of(len(environment["distributions"]), "distribution"))
    return sentences


def _describe_configuration(passport: Passport) -> list[str]:
    """Name the settings that somebody set; the rest have their defaults."""
    configuration = passport.configuration
    sentences = [
        f"{name} = {setting['value']} ({setting['origin']})"
        for name, setting in configuration.items()
        if setting.get("origin") != "default"
    ]
    return [*sentences, f"{count_of(len(configuration), 'setting')} in all"]
