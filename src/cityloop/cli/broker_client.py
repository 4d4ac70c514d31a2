"""What every ``cityloop context …`` asks with: one broker, one tenant, one @context."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from cityloop.kernel.errors import ConfigError, InputError

Address = Annotated[str, typer.Option("--broker", help="Address of the broker, or of a city.")]
Tenant = Annotated[str, typer.Option(help="Tenant; empty for the default one.")]
Link = Annotated[str, typer.Option("--context", help="URL of the @context that names are of.")]
HERE = "http://127.0.0.1:9090"


@dataclass(frozen=True)
class BrokerClient:
    """A broker at ``address``; an empty ``tenant`` or ``context`` is the broker's default."""

    address: str
    tenant: str = ""
    context: str = ""

    def ask(
        self,
        method: str,
        path: str,
        parameters: dict[str, str] | None = None,
        body: Any = None,
    ) -> Any:
        """The JSON that the broker answers, None for none.

        Raises InputError with the broker's reason for a refusal, ConfigError where none answers.
        """
        # Late, as everything that only a run needs.
        import httpx

        address = self.address.rstrip("/")
        url = f"{address}/ngsi-ld/v1/{path}"
        try:
            answer = httpx.request(method, url, params=parameters, json=body, headers=self._said())
            told: Any = answer.json() if answer.content else None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise ConfigError(
                f"no broker answers at {self.address} ({error}); `cityloop broker` starts one"
            ) from error
        if answer.status_code == 207:
            errors = told["errors"] if isinstance(told, dict) else told
            raise InputError(f"not all was taken: {json.dumps(errors, ensure_ascii=False)}")
        if answer.is_error:
            raise InputError(f"{told.get('title')}: {told.get('detail')}")
        return told

    def _said(self) -> dict[str, str]:
        # A city takes commands from its own pages alone: whoever could send another Origin from a
        # browser is kept out by it, and this is no browser.
        headers = {"Origin": self.address.rstrip("/")}
        if self.tenant:
            headers["NGSILD-Tenant"] = self.tenant
        if self.context:
            headers["Link"] = f'<{self.context}>; rel="http://www.w3.org/ns/json-ld#context"'
        return headers
