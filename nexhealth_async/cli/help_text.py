"""What stands below the options in each command's help: examples, environment, exit status."""

from __future__ import annotations

from typing import Final

__all__ = ["EVERY", "epilogue"]

_PULLED: Final = """0 done, 1 the API, the network or a target failed, 2 wrong use,
3 a bulk pull is complete but for the parts it names, 130 Ctrl-C, 143 SIGTERM"""

EVERY: Final = f"""Try it without a key: nexhealth pull patients --sandbox

Exit status: {_PULLED}
"""
"""Below the options of what is no command by itself."""

_KEY: Final = """NEXHEALTH_API_KEY, NEXHEALTH_API_VERSION, NEXHEALTH_BASE_URL,
  NEXHEALTH_CA_FILE, SSL_CERT_FILE, HTTPS_PROXY, ALL_PROXY, NO_PROXY"""
_DATABASE: Final = "NEXHEALTH_PULL_TO, PGPASSWORD, NEXHEALTH_REDIS"
_FLEET: Final = """0 done, 1 the API, the network, the database or Redis failed,
2 wrong use, 130 Ctrl-C, 143 SIGTERM"""
_COMMON_VARIABLES: Final = "0 done, 1 the API or the network failed, 2 wrong use, 130 Ctrl-C"

_EXAMPLES: Final[dict[tuple[str, ...], tuple[tuple[str, ...], str, str]]] = {
    ("check",): (("nexhealth check", "nexhealth check --sandbox"), _KEY, _COMMON_VARIABLES),
    ("practices",): (
        ("nexhealth practices", "nexhealth practices --sandbox"),
        _KEY,
        _COMMON_VARIABLES,
    ),
    ("pull",): (
        (
            "nexhealth pull patients --sandbox",
            "nexhealth pull patients --practice demo-practice -o patients.jsonl",
            "nexhealth pull --all --to practice.duckdb --resume",
            "nexhealth pull --all --dry-run --price-per-call 0.10",
        ),
        f"{_KEY},\n  NEXHEALTH_PULL_TO, PGPASSWORD, NO_COLOR",
        _PULLED,
    ),
    ("endpoints",): (
        ("nexhealth endpoints --version v3 --resource patients", "nexhealth endpoints --json"),
        "NO_COLOR",
        "0 done, 2 there is no such operation",
    ),
    ("sandbox",): (
        (
            "nexhealth sandbox",
            "nexhealth sandbox --port 8080 --patients 50 --latency 200",
            "nexhealth sandbox --versions v3",
        ),
        "none",
        "1 the port cannot be used, 2 wrong use, 130 Ctrl-C, 143 SIGTERM",
    ),
    ("completion",): (
        (
            'eval "$(nexhealth completion bash)"',
            "nexhealth completion zsh > ~/.zfunc/_nexhealth",
            "nexhealth completion fish > ~/.config/fish/completions/nexhealth.fish",
        ),
        "none",
        "0 done, 2 wrong use",
    ),
    ("webhooks",): (
        (
            "nexhealth webhooks list",
            "nexhealth webhooks ensure https://example.com/nexhealth --secret-file secret \\",
            "    --event appointment_insertion --event appointment_updated",
        ),
        _KEY,
        _COMMON_VARIABLES,
    ),
    ("webhooks", "list"): (("nexhealth webhooks list",), _KEY, _COMMON_VARIABLES),
    ("webhooks", "ensure"): (
        (
            "nexhealth webhooks ensure https://example.com/nexhealth --secret-file secret \\",
            "    --event appointment_insertion --practice demo-practice",
        ),
        _KEY,
        _COMMON_VARIABLES,
    ),
    ("fleet",): (
        (
            "nexhealth fleet pull --all --to postgresql://user@host/database \\",
            "    --redis redis://host:6379/0",
            "nexhealth fleet work --to postgresql://user@host/database \\",
            "    --redis redis://host:6379/0",
            "nexhealth fleet status --to postgresql://user@host/database",
        ),
        f"{_KEY},\n  {_DATABASE}",
        f"{_FLEET};\nof status also 3 parts were given up",
    ),
    ("fleet", "pull"): (
        (
            "nexhealth fleet pull --all --to postgresql://user@host/database \\",
            "    --redis redis://host:6379/0",
        ),
        f"{_KEY},\n  {_DATABASE}",
        _FLEET,
    ),
    ("fleet", "work"): (
        (
            "nexhealth fleet work --to postgresql://user@host/database \\",
            "    --redis redis://host:6379/0 --until-empty",
        ),
        f"{_KEY},\n  {_DATABASE}",
        f"{_FLEET};\nonce it works, the first Ctrl-C or SIGTERM is 0",
    ),
    ("fleet", "status"): (
        (
            "nexhealth fleet status --to postgresql://user@host/database",
            "nexhealth fleet status --to postgresql://user@host/database \\",
            "    --redis redis://host:6379/0",
        ),
        _DATABASE,
        """0 done or under way, 1 the database or Redis failed, 2 wrong use,
or there is no such pull, 3 parts were given up, 130 Ctrl-C, 143 SIGTERM""",
    ),
}


def epilogue(*command: str) -> str:
    """Return what stands below the options of a command."""
    examples, environment, status = _EXAMPLES[command]
    listed = "\n".join(f"  {one}" for one in examples)
    return f"Examples:\n{listed}\n\nEnvironment: {environment}\n\nExit status: {status}\n"
