"""Examples, environment variables and exit statuses in the help of each command."""

from __future__ import annotations

from typing import Final

__all__ = ["EVERY", "epilogue"]

_PULL_STATUS: Final = """0 success, 1 API, network or target error, 2 usage error,
3 bulk pull complete except for the shards it names, 130 Ctrl-C, 143 SIGTERM"""

EVERY: Final = f"""Try it without a key: nexhealth pull patients --sandbox

Exit status: {_PULL_STATUS}
"""
"""Epilogue of the help of ``nexhealth`` itself."""

_KEY: Final = """NEXHEALTH_API_KEY, NEXHEALTH_API_VERSION, NEXHEALTH_BASE_URL,
  NEXHEALTH_CA_FILE, SSL_CERT_FILE, HTTPS_PROXY, ALL_PROXY, NO_PROXY"""
_DATABASE: Final = "NEXHEALTH_PULL_TO, PGPASSWORD, NEXHEALTH_REDIS"
_FLEET_STATUS: Final = """0 success, 1 API, network, database or Redis error,
2 usage error, 130 Ctrl-C, 143 SIGTERM"""
_STATUS: Final = "0 success, 1 API or network error, 2 usage error, 130 Ctrl-C"

_EXAMPLES: Final[dict[tuple[str, ...], tuple[tuple[str, ...], str, str]]] = {
    ("check",): (("nexhealth check", "nexhealth check --sandbox"), _KEY, _STATUS),
    ("practices",): (
        ("nexhealth practices", "nexhealth practices --sandbox"),
        _KEY,
        _STATUS,
    ),
    ("pull",): (
        (
            "nexhealth pull patients --sandbox",
            "nexhealth pull patients --practice demo-practice -o patients.jsonl",
            "nexhealth pull --all --to practice.duckdb --resume",
            "nexhealth pull --all --dry-run --price-per-call 0.10",
        ),
        f"{_KEY},\n  NEXHEALTH_PULL_TO, PGPASSWORD, NO_COLOR",
        _PULL_STATUS,
    ),
    ("endpoints",): (
        ("nexhealth endpoints --version v3 --resource patients", "nexhealth endpoints --json"),
        "NO_COLOR",
        "0 success, 2 no such operation",
    ),
    ("sandbox",): (
        (
            "nexhealth sandbox",
            "nexhealth sandbox --port 8080 --patients 50 --latency 200",
            "nexhealth sandbox --versions v3",
        ),
        "none",
        "1 port not available, 2 usage error, 130 Ctrl-C, 143 SIGTERM",
    ),
    ("completion",): (
        (
            'eval "$(nexhealth completion bash)"',
            "nexhealth completion zsh > ~/.zfunc/_nexhealth",
            "nexhealth completion fish > ~/.config/fish/completions/nexhealth.fish",
        ),
        "none",
        "0 success, 2 usage error",
    ),
    ("webhooks",): (
        (
            "nexhealth webhooks list",
            "nexhealth webhooks ensure https://example.com/nexhealth --secret-file secret \\",
            "    --event appointment_insertion --event appointment_updated",
        ),
        _KEY,
        _STATUS,
    ),
    ("webhooks", "list"): (("nexhealth webhooks list",), _KEY, _STATUS),
    ("webhooks", "ensure"): (
        (
            "nexhealth webhooks ensure https://example.com/nexhealth --secret-file secret \\",
            "    --event appointment_insertion --practice demo-practice",
        ),
        _KEY,
        _STATUS,
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
        f"{_FLEET_STATUS};\nfor status also 3 dead shards or rejected records",
    ),
    ("fleet", "pull"): (
        (
            "nexhealth fleet pull --all --to postgresql://user@host/database \\",
            "    --redis redis://host:6379/0",
        ),
        f"{_KEY},\n  {_DATABASE}",
        _FLEET_STATUS,
    ),
    ("fleet", "work"): (
        (
            "nexhealth fleet work --to postgresql://user@host/database \\",
            "    --redis redis://host:6379/0 --until-empty",
        ),
        f"{_KEY},\n  {_DATABASE}",
        f"{_FLEET_STATUS};\n0 after the first Ctrl-C or SIGTERM while it works",
    ),
    ("fleet", "status"): (
        (
            "nexhealth fleet status --to postgresql://user@host/database",
            "nexhealth fleet status --to postgresql://user@host/database \\",
            "    --redis redis://host:6379/0",
        ),
        _DATABASE,
        """0 done or in progress, 1 database or Redis error, 2 usage error or
no such pull, 3 dead shards or rejected records, 130 Ctrl-C, 143 SIGTERM""",
    ),
}


def epilogue(*command: str) -> str:
    """Return the text below the options of a command."""
    examples, environment, status = _EXAMPLES[command]
    lines = "\n".join(f"  {example}" for example in examples)
    return f"Examples:\n{lines}\n\nEnvironment: {environment}\n\nExit status: {status}\n"
